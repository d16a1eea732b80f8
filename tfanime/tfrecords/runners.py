"""Runners of a conversion: processes of this machine, or Apache Beam.

A runner is a function `(conversion, folder, plan, progress)` that writes every planned shard with its account into the
`ShardFolder` and returns the accounts in the plan's order.
"""

import functools
import itertools
import sys

from tqdm import tqdm

from tfanime.tfrecords.duplicates import DuplicateIndex
from tfanime.tfrecords.pictures import without
from tfanime.tfrecords.settings import DRAWN
from tfanime.tfrecords.shards import shard_writer
from tfanime.tfrecords.workers import outcomes


def runner(name):
    """The runner that `--runner` names."""
    if name == "local":
        return local
    from tfanime.tfrecords import beam  # slow to load, and optional

    return functools.partial(beam.run, name)


def local(conversion, folder, plan, progress):
    """Converts with a pool of processes on this machine; shards that are finished already are kept."""
    settings = conversion.settings
    finished = {shard.file: account for shard in plan if (account := folder.account(shard.file))}
    tasks = ((id, conversion.source.words_of(id)) for shard in plan if shard.file not in finished for id in shard.ids)
    stream = outcomes(conversion.converter, tasks, settings.workers)
    index = DuplicateIndex(-1 if settings.source == DRAWN else settings.duplicates)
    write = shard_writer(conversion, folder, len(plan))
    accounts = []
    bar = tqdm(
        total=len(conversion.source),
        initial=sum(len(shard.ids) for shard in plan if shard.file in finished),
        unit=" pictures",
        desc="drawing" if settings.source == DRAWN else "converting",
        disable=not progress,
        mininterval=0.5 if sys.stderr.isatty() else 10,
    )
    with bar:
        for shard in plan:
            if shard.file in finished:
                account = finished[shard.file]
                for id, hash in account["filed"]:
                    index.add(id, hash)
            else:
                some = _counting(itertools.islice(stream, len(shard.ids)), bar)
                account = write(shard.file, (_sifted(each, index) for each in some))
            account["filed"] = []  # stored in the index
            accounts.append(account)
    return accounts


def _sifted(outcome, index):
    """The outcome without its duplicates."""
    found = {id: duplicate for id, hash in outcome.filed if (duplicate := index.add(id, hash))}
    return without(outcome, found)


def _counting(stream, bar):
    for outcome in stream:
        bar.update()
        yield outcome

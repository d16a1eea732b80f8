"""Notes on pairs of models that two distances rank in opposite orders."""

from itertools import combinations

from tfanime.evaluate.table import columns

DISTANCES = ("distance", "kernel", "second_distance", "second_kernel")
SHOWN = 3  # pairs of models in one sentence


def disagreements(evaluation):
    """The disagreements between the distances of a table.

    The first network's Frechet distance is compared with its kernel distance and with both distances of the second
    network, over all pairs of models of equally many pictures. Kernel distances count as different if they differ by
    more than the larger deviation over their subsets.

    Args:
        evaluation: A `tfanime.evaluate.results.Evaluation`.

    Returns:
        A list of sentences, one for each distance that ranks models differently.
    """
    first, *others = (column for column in columns(evaluation.protocol) if column.key in DISTANCES)
    models = [row for row in evaluation.rows if row["generated"]]
    pairs = [pair for pair in combinations(models, 2) if pair[0]["samples"] == pair[1]["samples"]]
    found = []
    for other in others:
        contested = [pair for pair in pairs if _better(first, *pair) * _better(other, *pair) < 0]
        if not contested:
            continue
        told = []
        for pair in contested[:SHOWN]:
            better, worse = pair if _better(first, *pair) > 0 else pair[::-1]
            words = (f"{column.heading} {_values(column, better, worse)}" for column in (first, other))
            told.append(f"{better['name']} and {worse['name']} ({', '.join(words)})")
        if len(contested) > SHOWN:
            told.append(f"{len(contested) - SHOWN} more pairs")
        both = " and ".join(_named(column, evaluation.protocol) for column in (first, other))
        found.append(f"{both} disagree about the order of {'; '.join(told)}: look at the sheets.")
    return found


def _better(column, row, other):
    """1 if a distance is smaller in the first of two rows, -1 if in the other, 0 if it does not decide."""
    values = [each["values"].get(column.key) for each in (row, other)]
    if None in values:
        return 0
    least = max(each["values"][column.deviation] for each in (row, other)) if column.deviation else 0
    difference = values[1] - values[0]
    return 0 if abs(difference) <= least else 1 if difference > 0 else -1


def _values(column, *rows):
    return " against ".join(column.text(row["values"]) for row in rows)


def _named(column, protocol):
    network = protocol["second" if column.key.startswith("second") else "network"]["name"]
    return f"{network} ({column.heading.removesuffix(f' ({network})')})"

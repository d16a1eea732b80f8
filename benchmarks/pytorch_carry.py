"""What goes to a GPU machine without TensorFlow, and what comes back.

python benchmarks/pytorch_carry.py pack tfrecords/anime-faces faces.npz    faces of 64 px, for pytorch_avatars.py
python benchmarks/pytorch_carry.py carry avatars.npz tfrecords/anime-faces generators/avatars64
"""

import argparse
import io
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image
from pytorch_stylegan2 import write_weights

from tfanime import data
from tfanime.generator import LICENCE, write_generator
from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.models import stylegan2
from tfanime.tfrecords.default import default_shards

IMAGE_SIZE = 64


def pack(shards, path):
    """Writes the shards' training faces as JPEGs in one file, with their tags and the vocabulary's groups."""
    faces = data.load(shards, IMAGE_SIZE)
    parts = []
    for image in faces.images(np.arange(faces.count)):
        with io.BytesIO() as content:
            Image.fromarray(image).save(content, "JPEG", quality=95, subsampling=0, optimize=True)
            parts.append(content.getvalue())
    groups = [[group.tags, group.exclusive] for group in faces.vocabulary.groups]
    np.savez(
        path,
        data=np.frombuffer(b"".join(parts), np.uint8),
        ends=np.cumsum([len(part) for part in parts]),
        tags=faces.tags.astype(np.int8),
        groups=json.dumps(groups),
    )
    print(f"{faces.count:,} faces, {sum(map(len, parts)) / 1e6:.1f} MB -> {path}")


def _players(path):
    """The states in a file of weights, by player."""
    players = {}
    with np.load(path) as file:
        for key in file:
            player, name = key.split("/")
            players.setdefault(player, {})[name] = file[key].astype(np.float32)
    return players


def _widths(state, part):
    """Channels by picture size, of the layers `part` in a state."""
    found = re.compile(rf"layers\.{part}_(\d+)\.kernel")
    matches = [(found.fullmatch(name), kernel) for name, kernel in state.items()]
    return {int(match[1]): kernel.shape[1] for match, kernel in matches if match}


def _depth(state, mapping):
    return sum(re.fullmatch(rf"{mapping}\.dense_\d+\.kernel", name) is not None for name in state)


def generator_of(state, tag_count):
    """The Keras generator of a state's sizes, with its weights."""
    widths, w_size = _widths(state, "to_rgb"), len(state["mapping.average"])
    network = stylegan2.generator(
        max(widths),
        z_size=len(state["mapping.dense_0.kernel"]) - w_size,
        w_size=w_size,
        channel_base=widths[max(widths)] * max(widths),
        channel_max=max(widths.values()),
        mapping_layers=_depth(state, "mapping"),
        tag_count=tag_count,
        embedding_noise=0.5,
    )
    write_weights(network, state)
    return network


def discriminator_of(state, tag_count):
    """The Keras discriminator of a state's sizes, with its weights."""
    widths = _widths(state, "conv")
    widths[4] -= 1  # the standard deviation
    network = stylegan2.discriminator(
        max(widths),
        channel_base=widths[max(widths)] * max(widths),
        channel_max=max(widths.values()),
        tag_count=tag_count,
        projection="layers.logit_features.kernel" in state,
        tag_head="layers.tag_logit.kernel" in state,
        mapping_layers=_depth(state, r"layers\.tag_mapping"),
    )
    write_weights(network, state)
    return network


def carry(paths, shards, folder, player, licence):
    """Writes a generator's folder from weights that `pytorch_avatars.py` wrote."""
    players = {name: state for path in paths for name, state in _players(path).items()}
    faces = data.load(default_shards(IMAGE_SIZE) if shards == "drawn" else shards, IMAGE_SIZE)
    vocabulary = faces.vocabulary.with_frequencies(faces.tags)
    network = generator_of(players[player], len(vocabulary))
    inputs = Inputs.of_network(network, Latents(network.inputs[0].shape[-1]), vocabulary)
    provenance = {"recipe": "stylegan2", "trained_by": "benchmarks/pytorch_avatars.py", "data_set": Path(shards).name}
    others = {}
    if "discriminator" in players:
        others["discriminator"] = discriminator_of(players["discriminator"], len(vocabulary))
    write_generator(folder, network, inputs, provenance, licence, half=True, **others)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="faces for a GPU machine")
    packing.add_argument("shards")
    packing.add_argument("path")
    carrying = commands.add_parser("carry", help="weights into a generator's folder")
    carrying.add_argument("shards", help="the shards it was trained on, or the word drawn")
    carrying.add_argument("folder")
    carrying.add_argument("paths", nargs="+", help="files of weights")
    carrying.add_argument("--licence", default=LICENCE, help="a sentence for the card")
    carrying.add_argument("--player", default="ema", help="ema or generator (default ema)")
    arguments = parser.parse_args()
    if arguments.command == "pack":
        pack(arguments.shards, arguments.path)
    else:
        carry(arguments.paths, arguments.shards, arguments.folder, arguments.player, arguments.licence)


if __name__ == "__main__":
    main()

"""What goes to a GPU machine without TensorFlow, and what comes back.

python benchmarks/pytorch_carry.py pack tfrecords/anime-faces faces.npz    faces of 64 px, for pytorch_avatars.py
python benchmarks/pytorch_carry.py carry avatars.npz tfrecords/anime-faces generators/avatars64
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

IMAGE_SIZE = 64
LICENCE = (
    "Trained on faces from public image boards, whose pictures belong to their artists: "
    "for research and private use; avatars are no one's likeness but may resemble known characters."
)


def pack(shards, path):
    """Writes the shards' training faces as JPEGs in one file, with their tags and the vocabulary's groups."""
    from tfanime import data

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


def network_of(state, tag_count):
    """The Keras generator that has a state's sizes, with its weights."""
    import keras
    from pytorch_stylegan2 import write_weights

    from tfanime.models import stylegan2

    widths = {
        int(key.split("_")[2].split(".")[0]): state[key].shape[1]
        for key in state
        if ".to_rgb_" in f".{key}" and key.endswith(f"{'kernel'}") and "affine" not in key
    }
    z_size = state["mapping.dense_0.kernel"].shape[0] - state["mapping.average"].shape[0]
    keras.utils.clear_session()
    network = stylegan2.generator(
        max(widths),
        z_size,
        len(state["mapping.average"]),
        channel_base=widths[max(widths)] * max(widths),
        channel_max=max(widths.values()),
        mapping_layers=sum(key.startswith("mapping.dense_") and key.endswith("kernel") for key in state),
        tag_count=tag_count,
        embedding_noise=0.5,
    )
    write_weights(network, state)
    return network


def carry(path, shards, folder, player="ema"):
    """Writes a generator's folder from weights that `pytorch_avatars.py` wrote."""
    from tfanime import data
    from tfanime.generator import write_generator
    from tfanime.inputs import Inputs
    from tfanime.latents import Latents

    if shards == "drawn":
        from tfanime.tfrecords.default import default_shards

        shards = default_shards(IMAGE_SIZE)
    faces = data.load(shards, IMAGE_SIZE)
    vocabulary = faces.vocabulary.with_frequencies(faces.tags)
    state = np.load(path)
    state = {key.removeprefix(f"{player}/"): state[key].astype(np.float32) for key in state if key.startswith(player)}
    network = network_of(state, len(vocabulary))
    inputs = Inputs.of_network(network, Latents(network.inputs[0].shape[-1]), vocabulary)
    provenance = {"recipe": "stylegan2", "trained_by": "benchmarks/pytorch_avatars.py", "data_set": Path(shards).name}
    write_generator(folder, network, inputs, provenance, LICENCE, half=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="faces for a GPU machine")
    packing.add_argument("shards")
    packing.add_argument("path")
    carrying = commands.add_parser("carry", help="weights into a generator's folder")
    carrying.add_argument("path")
    carrying.add_argument("shards", help="the shards it was trained on, or the word drawn")
    carrying.add_argument("folder")
    carrying.add_argument("--player", default="ema", help="ema or generator (default ema)")
    arguments = parser.parse_args()
    if arguments.command == "pack":
        pack(arguments.shards, arguments.path)
    else:
        carry(arguments.path, arguments.shards, arguments.folder, arguments.player)


if __name__ == "__main__":
    main()

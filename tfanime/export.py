"""Stage 5: a trained generator to a SavedModel that TensorFlow Serving loads.

Run as `python -m tfanime.export RUN OUT_DIR`; every call writes the next version, `OUT_DIR/1`, `OUT_DIR/2` ...
"""

import json
from dataclasses import dataclass

from tfanime import __version__, command_line
from tfanime.files import replacing, require_writable_folder
from tfanime.generate import open_generator, versions
from tfanime.runs import RunFolder


def export(run, out_dir, checkpoint="newest"):
    """Writes the averaged generator of a run as the next version below `out_dir`.

    Signatures, the batch always first:

    - `generate` (the default): `seed` int64 `[batch]` -> `image_bytes` string `[batch]`, a PNG each
    - `images`: `seed` int64 `[batch]` -> `images` uint8 `[batch, height, width, 3]`
    - `synthesize`: `latents` float32 `[batch, size]` -> `images` uint8 `[batch, height, width, 3]`

    A generator with tags draws those of a seed by its vocabulary's priors. It also has

    - `generate_with_tags` and `images_with_tags`: `seed` and `tags`, float32 `[batch, len(vocabulary)]` of +1 (must
      hold), -1 (must not) and 0 (the seed decides) -> the same outputs
    - `tags` beside `latents` as an input of `synthesize`, +1 and -1

    `assets/model_card.json` says where the model comes from, and lists its tags.

    Args:
        run: A run folder with a checkpoint.
        out_dir: The base path to give a server.
        checkpoint: `"newest"`, `"best"`, or a step, see `tfanime.callbacks.checkpoints.find`.

    Returns:
        The new version's folder, a `pathlib.Path`; it appears there only when it is whole.

    Raises:
        FileNotFoundError: `run` is no run folder or has no such checkpoint.
        OSError: `out_dir` cannot be written.
    """
    RunFolder(run).load()
    out_dir = require_writable_folder(out_dir, "out_dir")
    generator = open_generator(run, checkpoint)
    target = out_dir / str(max(versions(out_dir), default=0) + 1)
    with replacing(target) as temporary:
        _write(generator, temporary)
        (temporary / "assets").mkdir(exist_ok=True)
        (temporary / "assets" / "model_card.json").write_text(json.dumps(_model_card(generator), indent=1) + "\n")
    return target


def _write(generator, folder):
    import keras
    import tensorflow as tf

    from tfanime.images import to_uint8
    from tfanime.tag_sampling import TagSampler

    network, distribution = generator.network, generator.latents
    sampler = TagSampler(generator.vocabulary) if generator.vocabulary else None

    def synthesize(latents, *tags):
        return {"images": to_uint8(network([latents, *tags] if tags else latents, training=False))}

    def images(seed, *tags):
        tags = [sampler.from_seeds(seed, *tags)] if sampler else []
        return synthesize(distribution.from_seeds(seed), *tags)

    def generate(seed, *tags):
        encode = tf.map_fn(tf.io.encode_png, images(seed, *tags)["images"], fn_output_signature=tf.string)
        return {"image_bytes": encode}

    def images_with_tags(seed, tags):
        return images(seed, tags)

    def generate_with_tags(seed, tags):
        return generate(seed, tags)

    seeds = tf.TensorSpec([None], tf.int64, name="seed")
    latents = tf.TensorSpec([None, distribution.size], tf.float32, name="latents")
    tags = [tf.TensorSpec([None, sampler.size], tf.float32, name="tags")] if sampler else []
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("generate", lambda seed: generate(seed), [seeds])
    archive.add_endpoint("images", lambda seed: images(seed), [seeds])
    archive.add_endpoint("synthesize", synthesize, [latents, *tags])
    if sampler:
        archive.add_endpoint("generate_with_tags", generate_with_tags, [seeds, *tags])
        archive.add_endpoint("images_with_tags", images_with_tags, [seeds, *tags])
    archive.write_out(str(folder), verbose=False)


def _model_card(generator):
    card = generator.card
    height, width = generator.network.output_shape[1:3]
    return {
        "tfanime": __version__,
        "image_size": [height, width],
        "latents": {"size": generator.latents.size, "distribution": generator.latents.distribution},
        "vocabulary": generator.vocabulary.to_json() if generator.vocabulary else None,
        "training": {
            "recipe": card["recipe"],
            "config": {name: value for name, value in card["config"].items() if name not in ("data", "run")},
            "data": card["data"],
            "step": card["step"],
        },
        "licence": "The pictures that a generator was trained on bound what may be done with it and with its avatars.",
    }


@dataclass(frozen=True)
class Config:
    """Export a generator.

    Args:
        run: A run folder with a checkpoint.
        out_dir: Base path of the model; the next version is written below it.
        checkpoint: Which state of the run: newest, best (of a run trained with --best_by), or one of the steps whose
            checkpoints are there.
    """

    run: str
    out_dir: str
    checkpoint: str = "newest"


def main(arguments=None):
    """Exports; `--help` lists the arguments."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.export",
        description="Export the averaged generator of a run as a SavedModel, OUT_DIR/VERSION.",
        epilog="""example:
  python -m tfanime.export runs/wgan exports/tfanime
  python -m tfanime.serving --model tfanime=exports/tfanime
""",
        positional=("run", "out_dir"),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    target = export(config.run, config.out_dir, config.checkpoint)
    print(f"exported: {target}\nserve it: python -m tfanime.serving --model tfanime={target.parent} --port 8500")


if __name__ == "__main__":
    command_line.run(main)

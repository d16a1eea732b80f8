"""A trained generator as the next version of a SavedModel."""

import json
from dataclasses import replace

from tfanime import __version__
from tfanime.export.onnx import require_onnx, write_onnx
from tfanime.export.signatures import card_endpoint, endpoints
from tfanime.export.warmup import write_warmup
from tfanime.files import replacing, require_writable_folder, versions
from tfanime.generator import open_network


def export(model, out_dir, checkpoint="newest", onnx=None):
    """Writes a trained generator as the next version below `out_dir`.

    Signatures, the batch always first:

    - `generate` (the default): `seed` int64 `[batch]` -> `image_bytes` string `[batch]`, a PNG each
    - `images`: `seed` int64 `[batch]` -> `images` uint8 `[batch, height, width, 3]`
    - `synthesize`: `latents` float32 `[batch, size]` -> `images` uint8 `[batch, height, width, 3]`
    - `interpolate`: `seed_a`, `seed_b` int64 `[batch]`, `t` float32 `[batch]`, 0 to 1 and clipped there ->
      `image_bytes`, on the way from the avatar of `seed_a` (0) to that of `seed_b` (1), see `Latents.interpolate`
    - `model_card`: `seed` int64 `[batch]`, which decides nothing -> `model_card` string `[batch]`, the card's JSON

    A generator with tags draws those of a seed by its vocabulary's priors; on the way from one seed to another they
    fade in a line. It also has

    - `generate_with_tags` and `images_with_tags`: `seed` and `tags`, float32 `[batch, len(vocabulary)]` of +1 (must
      hold), -1 (must not) and 0 (the seed decides) -> the same outputs
    - `tags` beside `latents` as an input of `synthesize`, +1 and -1

    A network from pictures to pictures has the name of its kind, `upscale` or `stylise`, as a signature, and

    - `upscale` (the default): `pictures` uint8 `[batch, height, width, 3]` of any size -> `images` uint8 `[batch, scale
      * height, scale * width, 3]`
    - `upscale_png`: `picture_bytes` string `[batch]`, a PNG, JPEG, GIF or BMP each, of any sizes -> `image_bytes`
      string `[batch]`, a PNG each, without alpha
    - `model_card`

    A StyleGAN2, whose layers see one w each, also has

    - `generate_truncated`: `seed` and `psi`, float32 `[batch]`, 0 (the mean of the seed's tags) to 1 and clipped there
      -> `image_bytes`
    - `mix`: `seed_a`, `seed_b` int64 `[batch]`, `layers` int64 `[batch]` -> `image_bytes`, the avatar of `seed_b`
      with the first so many layers, and the noise, of `seed_a`
    - `styles`: `seed` -> `w`, float32 `[batch, layers, size]`
    - `synthesize_styles`: `w` and `noise`, float32 `[batch, size]` -> `images`
    - and, with tags, `generate_truncated_with_tags` and `styles_with_tags`

    `assets/model_card.json` states the model's origin, signatures and tags. Warm-up requests for a server are in TF
    Serving's place for them (`assets.extra`).

    Args:
        model: A run folder, a generator's folder, or a name, see `tfanime.generator.open_network`.
        out_dir: The base path to give a server.
        checkpoint: Of a run folder: `"newest"`, `"best"`, or a step, see `tfanime.checkpoints.find`.
        onnx: A file to write the network to as ONNX too, see `tfanime.export.onnx.write_onnx`; default: none.

    Returns:
        The new version's folder, a `pathlib.Path`; it appears there only when it is whole.

    Raises:
        FileNotFoundError: `model` does not exist, or is a run without such a checkpoint.
        ImportError: `onnx` is given and the extra is not installed.
        OSError: `out_dir` or `onnx` cannot be written.
        ValueError: `model` is an exported SavedModel already, or ONNX cannot express the network. No version is written
            then.
    """
    generator = open_network(model, checkpoint)
    if generator.network is None:
        raise ValueError(
            f"model must be a run folder, a generator's folder or a name. Received: {str(model)!r}, which is exported "
            "already: a SavedModel can be copied"
        )
    return export_generator(generator, out_dir, onnx)


def export_generator(generator, out_dir, onnx=None):
    """Like `export`, for a generator that is open already.

    Args:
        generator: A `tfanime.generator.Generator` with `network`, `latents`, and `vocabulary` if it has tags, or a
            `tfanime.generator.PictureNetwork` with `network`.
        out_dir: See `export`.
        onnx: See `export`.

    Returns:
        The new version's folder.

    Raises:
        ImportError, OSError, ValueError: See `export`.
    """
    out_dir = _require_writable(out_dir, onnx)
    found = endpoints(generator)
    card = _model_card(generator, found)
    if onnx is not None:
        write_onnx(onnx, generator, card)
    found["model_card"] = card_endpoint(card)
    target = out_dir / str(max(versions(out_dir), default=0) + 1)
    with replacing(target) as temporary:
        _write(generator.network, found, temporary)
        write_warmup(temporary, found)
        (temporary / "assets").mkdir(exist_ok=True)
        (temporary / "assets" / "model_card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return target


def _require_writable(out_dir, onnx):
    """Both before any work, so that a bad one costs none."""
    out_dir = require_writable_folder(out_dir, "out_dir")
    if onnx is not None:
        require_onnx(onnx)
    return out_dir


def _write(network, found, folder):
    import keras

    archive = keras.export.ExportArchive()
    archive.track(network)
    for name, endpoint in found.items():
        archive.add_endpoint(name, endpoint.function, list(endpoint.inputs))
    archive.write_out(str(folder), verbose=False)


def _model_card(generator, found):
    return {
        "tfanime": __version__,
        **(_of_seeds(generator) if generator.kind == "seeds" else generator.form.to_json()),
        "signatures": {name: endpoint.to_json() for name, endpoint in found.items()},
        "training": generator.card or None,
        "licence": generator.licence,
    }


def _of_seeds(generator):
    vocabulary = generator.vocabulary
    height, width = generator.network.output_shape[1:3]
    return {
        "kind": "seeds",
        "image_size": [height, width],
        "latents": {"size": generator.latents.size, "distribution": generator.latents.distribution},
        "vocabulary": replace(vocabulary, priors=vocabulary.probabilities).to_json() if vocabulary else None,
    }

"""All feature networks, and the features of many pictures.

    network = open_network("tagger")
    for features in extract(network, batches):
        moments.update(features)

A network is named as on the command line: `hed_vgg16`, `tagger`, `tagger:file=PATH`,
`inception:file=PATH`, `PATH.onnx:size=224,scale=255`. A new one is one function that returns a `FeatureNetwork`, and
one entry in `NETWORKS`.
"""

import inspect
import re
from collections.abc import Iterable, Iterator

import numpy as np
from tqdm import tqdm

from tfanime.metrics.feature_network import FeatureNetwork, hash_of_weights
from tfanime.metrics.hed_vgg16 import hed_vgg16
from tfanime.metrics.inception import inception, inception_clean
from tfanime.metrics.network_files import from_file, traced
from tfanime.precision import precision_policy

DEFAULT = "hed_vgg16"  # sees faults that a tagging network overlooks, docs/metrics.md
BATCH = 64


def tagger(file=None):
    """`fd_tagger1`: the tagging network of the package, version 1. It needs no download and was trained on anime faces.

    Args:
        file: A tagger that `tfanime.recipes.tagger` trained, instead of the package's: the path of its two files
            without their endings, such as `runs/tagger/tagger`. Its value is called `fd_`, its name and eight digits of
            its hash, because two taggers of users may have one name.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged.
    """
    from tfanime.tagger.files import open_tagger

    network = open_tagger(file)
    model, size, weights = network.model, network.image_size, hash_of_weights(network.model.get_weights())
    name = re.sub(r"\W+", "_", network.name)

    def prepare(images, size):
        import tensorflow as tf

        from tfanime.images import to_float

        floats = images.dtype.is_floating
        if tuple(images.shape[1:3]) != (size, size):  # as `tfanime.data` makes the pictures that it was trained on
            images = tf.image.resize(images, (size, size), "bicubic", antialias=True)
            images = tf.clip_by_value(images, 0.0, 255.0)
            images = images if floats else tf.round(images)
        return to_float(images)

    run = traced(lambda images: model(images, training=False)[0], prepare)
    return FeatureNetwork(
        "tagger",
        f"fd_{name}_{weights[:8]}" if file else f"fd_{name}",
        weights,
        f"bicubic, antialiased, clipped, rounded, {size}",
        size,
        model.outputs[0].shape[-1],
        lambda images: run(images, size),
        takes_floats=True,
    )


def inception_keras():
    """`fd_inception_keras`: Keras' InceptionV3, downloaded at first use. Other weights than those of FID.

    Raises:
        OSError: It cannot be downloaded.
    """
    import keras
    import tensorflow as tf

    try:
        with precision_policy("float32"):
            model = keras.applications.InceptionV3(include_top=False, pooling="avg")
    except Exception as error:  # Keras has no class for failed downloads
        raise OSError(f"the weights of inception_keras must be reachable at first use. Received: {error}") from error
    size = 299

    def prepare(images, size):
        resized = tf.image.resize(images, (size, size), "bilinear", antialias=True)
        return keras.applications.inception_v3.preprocess_input(resized)

    run = traced(lambda images: model(images, training=False), prepare)
    weights = hash_of_weights(model.get_weights())
    rule = f"bilinear, antialiased, {size}"
    return FeatureNetwork(
        "inception_keras",
        "fd_inception_keras",
        weights,
        rule,
        size,
        model.output_shape[-1],
        lambda images: run(images, size),
        takes_floats=True,
    )


NETWORKS = {
    "tagger": tagger,
    "hed_vgg16": hed_vgg16,
    "inception": inception,
    "inception_clean": inception_clean,
    "inception_keras": inception_keras,
}


def parse_network(text):
    """Reads the name of a feature network from a command line.

    Args:
        text: A name in `NETWORKS` or a path, and options behind a colon: `NAME:option=value,option=value`.

    Returns:
        `(name or path, options)`, a string and a dictionary of strings.

    Raises:
        ValueError: The text is neither a known name nor the path of a file of a known kind.
    """
    match = re.fullmatch(r"(.+?)(?::(\w+=[^,]*(?:,\w+=[^,]*)*))?", text)
    name, options = match.groups() if match else ("", None)
    options = dict(option.split("=", 1) for option in options.split(",")) if options else {}
    if name not in NETWORKS and not re.search(r"[./]", name):
        raise ValueError(
            f"a feature network must be one of {', '.join(NETWORKS)}, or the path of a .keras or .onnx file or of a "
            f"SavedModel's folder. Received: {text!r}"
        )
    if name in NETWORKS:
        known = list(inspect.signature(NETWORKS[name]).parameters)
        if set(options) - set(known):
            rule = f"of {', '.join(known)}" if known else "none"
            raise ValueError(f"options of the feature network {name} must be {rule}. Received: {text!r}")
    return name, options


def parse_networks(text: str, most: int | None = None) -> list[str]:
    """Reads the names of several feature networks from a command line.

    Args:
        text: One or more texts for `parse_network`, separated by commas.
        most: Largest number of networks; None for any number.

    Returns:
        A list of texts, each of one network.

    Raises:
        ValueError: A text names no network, a network is named twice, or there are too many.
    """
    texts = re.split(r",(?!\w+=)", text)  # other commas separate options
    for each in texts:
        parse_network(each)
    if len(set(texts)) < len(texts):
        raise ValueError(f"feature networks must be named once each. Received: {text!r}")
    if most and len(texts) > most:
        raise ValueError(f"there must be at most {most} feature networks. Received: {text!r}")
    return texts


def open_network(text: str = DEFAULT) -> FeatureNetwork:
    """Opens a feature network.

    Args:
        text: See `parse_network`.

    Returns:
        A `FeatureNetwork`.

    Raises:
        ValueError: The network is unknown, or its file or options are wrong.
        OSError: A file does not exist or cannot be downloaded.
        ImportError: A package is not installed.
    """
    name, options = parse_network(text)
    return NETWORKS[name](**options) if name in NETWORKS else from_file(name, options)


def extract(
    network: FeatureNetwork, batches: Iterable[np.ndarray], total: int | None = None, progress: str | None = None
) -> Iterator[np.ndarray]:
    """Features of pictures that come batch by batch.

    Args:
        network: A `FeatureNetwork`.
        batches: Iterable of uint8 arrays `[batch, height, width, 3]`.
        total: Number of pictures, for the progress bar.
        progress: Text of the progress bar; None for no bar.

    Yields:
        float32 array `[batch, dimensions]` for each batch.
    """
    with tqdm(total=total, desc=progress, unit=" pictures", disable=None if progress else True, leave=False) as bar:
        for images in batches:
            yield network(images)
            bar.update(len(images))


def in_batches(faces, indices, batch=BATCH):
    """Pictures of a `tfanime.data.FaceData`, uint8, `batch` at a time."""
    for begin in range(0, len(indices), batch):
        yield faces.images(np.asarray(indices)[begin : begin + batch])

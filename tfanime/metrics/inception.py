"""The Inception network of 2015; a Frechet distance is called FID only in its features.

Heusel et al. 2017 (arXiv 1706.08500) feed pictures of 0 to 255 into a frozen graph that resizes them itself, by
TensorFlow 1's bilinear rule: without antialiasing, and with the corners of pixels where others have their centres.
Parmar et al. 2022 (arXiv 2104.11222, "clean-fid") resize before it, by Pillow's bicubic filter in floating point. Both
are here; they are not comparable, and neither is `keras.applications.InceptionV3`, whose weights are others.
"""

import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

from tfanime.files import downloaded
from tfanime.metrics.feature_network import FeatureNetwork, hash_of_files

VARIABLE = "TFANIME_INCEPTION"
SOURCE = "classify_image_graph_def.pb in http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
SIDE = 299
POOL = "pool_3:0"
DIMENSIONS = 2048
DECODED, RESIZED = "ExpandDims:0", "ResizeBilinear:0"  # pictures before and after the graph's own resize, 0 to 255


def inception(file=None, url=None, sha256=None):
    """`fid`: the graph resizes, as the original does.

    Args:
        file: The frozen graph. Default: the environment variable TFANIME_INCEPTION.
        url: Address from which to download it at first use, plain or in a .tgz, in place of `file`.
        sha256: SHA-256 (hex) of the file or of the download. It is required for a download, so that values do not
            depend on what the address serves.

    Raises:
        ValueError: No file is given, it is another graph, or it has another hash.
        OSError: It does not exist, or cannot be downloaded.
    """
    return _network(
        "inception",
        "fid",
        _graph_path(file, url, sha256),
        DECODED,
        "by the graph: bilinear, TensorFlow 1, 299",
        lambda images: images,
    )


def inception_clean(file=None, url=None, sha256=None):
    """`fid_clean`: the same network behind clean-fid's resize. Arguments and errors are those of `inception`."""
    resize = "Pillow bicubic, float32, clipped, 299"
    return _network("inception_clean", "fid_clean", _graph_path(file, url, sha256), RESIZED, resize, clean_resize)


def clean_resize(images, side=SIDE):
    """Resizes channel by channel in floating point, antialiased, by Pillow's bicubic filter.

    Args:
        images: uint8 array `[batch, height, width, 3]`, or one of floats in 0 to 255.
        side: Height and width of the result.

    Returns:
        float32 array `[batch, side, side, 3]`, clipped to 0 to 255 and not rounded.
    """
    result = np.empty((len(images), side, side, 3), np.float32)
    for image, target in zip(images, result, strict=True):
        for channel in range(3):
            picture = Image.fromarray(image[..., channel].astype(np.float32))
            target[..., channel] = picture.resize((side, side), Image.Resampling.BICUBIC)
    return np.clip(result, 0.0, 255.0, out=result)


def _network(name, value, path, entry, resize, prepare):
    run = _load(path, entry)
    dimensions = run(np.zeros((1, SIDE, SIDE, 3), np.float32)).shape[1]
    if dimensions != DIMENSIONS:  # values of other networks must not be called fid
        raise ValueError(
            f"the file of inception must be the graph of 2015, whose {POOL} has {DIMENSIONS:,} components. "
            f"Received: {str(path)!r} with {dimensions:,}; it is {SOURCE}"
        )

    def compute(images):
        return run(prepare(images).astype(np.float32, copy=False))

    return FeatureNetwork(name, value, hash_of_files(path), resize, SIDE, dimensions, compute, takes_floats=True)


def _graph_path(file, url, sha256):
    if url and (file or not sha256):
        raise ValueError(
            "inception must have either a file or both a url and the sha256 of the download. "
            f"Received: file={file}, url={url}, sha256={sha256}"
        )
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"sha256 must be 64 hexadecimal digits. Received: {sha256!r}")
    if url:
        return _downloaded(url, sha256.lower())
    value = file or os.environ.get(VARIABLE)
    if not value:
        raise ValueError(
            f"the network inception must have a file, by inception:file=PATH or by the environment variable "
            f"{VARIABLE}. Received: neither; it is {SOURCE}"
        )
    if not Path(value).is_file():
        raise FileNotFoundError(f"the file of inception must exist. Received: {str(value)!r}; it is {SOURCE}")
    if sha256 and (found := hash_of_files(Path(value))) != sha256.lower():
        raise ValueError(
            f"the file of inception must have sha256 {sha256.lower()}. Received: {str(value)!r} with {found}"
        )
    return Path(value)


def _downloaded(url, sha256):
    """The path of the graph in the cache folder; it is downloaded at first use."""
    folder = downloaded(f"inception/{sha256}", url, sha256)
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = [path for path in files if path.suffix == ".pb"] or files  # an archive has other files too
    if len(found) != 1:
        raise ValueError(f"url must hold one frozen graph, a .pb. Received: {url!r} with {len(found)}")
    return found[0]


def _load(path, entry):
    """The function float32 `[batch, height, width, 3]` -> float32 `[batch, dimensions]` of a frozen graph."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    graph_def = tf.compat.v1.GraphDef()
    try:
        graph_def.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"the file of inception must be a frozen graph. Received: {str(path)!r}: {error}") from error
    for node in graph_def.node:
        node.attr.pop("_output_shapes", None)  # they would fix the batch at one picture
    # A session, not a function: its graph keeps the version of the file, without which TensorFlow does not know the
    # batch norm of 2015.
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
        try:
            (pool,) = tf.import_graph_def(graph_def, {entry: images}, [POOL], name="")
        except ValueError as error:
            raise ValueError(
                f"the file of inception must be the graph of 2015, with {entry} and {POOL}. "
                f"Received: {str(path)!r}: {error}; it is {SOURCE}"
            ) from error
        features = tf.reshape(pool, [tf.shape(pool)[0], -1])
    return tf.compat.v1.Session(graph=graph).make_callable(features, [images])

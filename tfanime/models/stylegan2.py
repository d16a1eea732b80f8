"""The networks of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) at any power-of-two size from 16 px.

As in the code of StyleGAN2-ADA (Karras et al. 2020, arXiv 2006.06676): a mapping network, a generator that adds up one
picture of each size ("skip"), a residual discriminator. Every convolution of the generator has its own w, of which
`styles_count` says the number: `truncate` them, mix them, project into them.

All randomness comes in as an input: the noise of all layers is one tensor `[batch, noise_size(image_size)]`, the maps
one after the other, row by row, 4x4 first; that of the tags' embedding is another.

With tags, the mapping network sees their embedding beside the latents. The discriminator is shown them too
(`projection`, Miyato and Koyama 2018, arXiv 1802.05637) or predicts them (`tag_head`, Odena et al. 2017,
arXiv 1610.09585), or both.

In a mixed precision, the four highest resolutions are computed in the lower one; mapping, affine layers, the sum of the
pictures and the 4x4 end of the discriminator stay in float32.
"""

import math

import keras
import tensorflow as tf
from keras import layers, ops

from tfanime.models.heads import check_tag_count, logits_outputs
from tfanime.models.layers import MinibatchStddev
from tfanime.models.resample import Resample
from tfanime.models.stylegan2_layers import EqualizedConv2D, EqualizedDense, LearnedMaps, StyledConv2D, ToRGB
from tfanime.models.stylegan2_mapping import check_counts, mapping, tag_mapping, truncate

LOW_PRECISION_SIZES = 4  # number of highest resolutions


def _sizes(image_size):
    if image_size < 16 or image_size & (image_size - 1):
        raise ValueError(f"image_size must be a power of two from 16. Received: {image_size}")
    return [2**level for level in range(2, image_size.bit_length())]  # 4, 8, ..., image_size


def _widths(image_size, channel_base, channel_max):
    sizes = _sizes(image_size)
    check_counts(channel_max=channel_max)
    if channel_base < image_size:
        raise ValueError(f"channel_base must be at least image_size, {image_size}. Received: {channel_base}")
    return {size: min(channel_base // size, channel_max) for size in sizes}


def _precision(size, image_size):
    # None follows the precision policy.
    return None if size > max(image_size >> LOW_PRECISION_SIZES, 4) else "float32"


def styles_count(image_size):
    """How many w a picture has: one for each convolution, and one for the last `ToRGB`."""
    return 2 * len(_sizes(image_size))


def _noise_sides(image_size):
    return [4] + [size for size in _sizes(image_size)[1:] for _ in range(2)]


def noise_size(image_size):
    """How many numbers of noise a picture takes, over all convolutions."""
    return sum(side * side for side in _noise_sides(image_size))


def noise_maps(noise, image_size):
    """One layer's noise after the other, a list of `[batch, size, size, 1]`, from `[batch, noise_size(image_size)]`."""
    sides = _noise_sides(image_size)
    if noise.shape[-1] != noise_size(image_size):
        raise ValueError(
            f"noise must have {noise_size(image_size)} numbers a picture at {image_size} px. Received: {noise.shape}"
        )
    ends = [sum(side * side for side in sides[:count]) for count in range(1, len(sides))]
    parts = ops.split(noise, ends, axis=1)
    return [ops.reshape(part, (-1, side, side, 1)) for part, side in zip(parts, sides, strict=True)]


def synthesis(image_size=64, channel_base=16384, channel_max=512, w_size=512):
    """The synthesis network: learned 4x4 maps, two styled convolutions a size, the pictures of all sizes added up.

    Args:
        image_size: Height and width of the pictures, a power of two from 16.
        channel_base: Channels times size, 32768 in the paper, 16384 in the "auto" settings of StyleGAN2-ADA; two
            cores take 2048 at 64 px.
        channel_max: Most channels of a layer.
        w_size: Components of w.

    Returns:
        A `keras.Model`, `[styles, noise]` -> pictures, float32 `[batch, image_size, image_size, 3]`, about in [-1, 1]:
        StyleGAN2 has no tanh. Styles are one w a layer, `[batch, styles_count(image_size), w_size]`; noise is N(0, 1)
        `[batch, noise_size(image_size)]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    widths = _widths(image_size, channel_base, channel_max)
    check_counts(w_size=w_size)
    styles = layers.Input((styles_count(image_size), w_size), name="styles")
    noise = layers.Input((noise_size(image_size),), name="noise")
    maps = iter(noise_maps(noise, image_size))
    w = [styles[:, index] for index in range(styles.shape[1])]
    images, x, index = None, LearnedMaps(4, widths[4], dtype="float32", name="learned_maps")(w[0]), 0
    for size, width in widths.items():
        dtype = _precision(size, image_size)
        for resampling in (None,) if size == 4 else ("up", None):
            name = f"conv_{size}{'_up' if resampling else ''}"
            x = StyledConv2D(width, resampling, dtype=dtype, name=name)([x, w[index], next(maps)])
            index += 1
        # It shares its w with the next size's first convolution.
        picture = ToRGB(dtype=dtype, name=f"to_rgb_{size}")([x, w[index]])
        if images is not None:
            images = Resample("up", dtype="float32")(images)
            picture = layers.Add(dtype="float32")([images, picture])
        images = picture
    return keras.Model([styles, noise], images, name="synthesis")


def generator(
    image_size=64,
    z_size=512,
    w_size=512,
    channel_base=16384,
    channel_max=512,
    mapping_layers=8,
    tag_count=0,
    embedding_noise=0.0,
):
    """StyleGAN2's generator: `mapping`, the same w for all layers, `synthesis`.

    Args: those of `mapping` and `synthesis`.

    Returns:
        A `keras.Model`, the inputs of `mapping` and then noise, `[latents, noise]` to
        `[latents, tags, embedding_noise, noise]`, -> pictures, float32 `[batch, image_size, image_size, 3]`. Its two
        parts are `get_layer("mapping")` and `get_layer("synthesis")`.

    Raises:
        ValueError: An argument is out of its range.
    """
    style_network = mapping(z_size, w_size, mapping_layers, tag_count, embedding_noise)
    picture_network = synthesis(image_size, channel_base, channel_max, w_size)
    inputs = [layers.Input(each.shape[1:], name=each.name) for each in style_network.inputs]
    noise = layers.Input((noise_size(image_size),), name="noise")
    w = style_network(inputs if len(inputs) > 1 else inputs[0])
    styles = layers.RepeatVector(styles_count(image_size), dtype="float32")(w)
    return keras.Model([*inputs, noise], picture_network([styles, noise]), name="stylegan2_generator")


def has_styles(network):
    """Whether a `keras.Model` is a `generator`, of a mapping to w and a synthesis that sees a w in each layer."""
    return {"mapping", "synthesis"} <= {layer.name for layer in network.layers}


CENTRE_LATENTS = 256  # of which the mean w is the centre of truncation


def centre_styles(mapping_network, inputs):
    """The mean w of each row's tags.

    With tags, the centre is not the mean over all tags, which would pull all hair to one colour.

    Args:
        mapping_network: What `mapping` returned.
        inputs: Its inputs, a list; of the latents only the number of rows counts.

    Returns:
        float32 `[batch, w_size]`; without tags, one row for all, `[1, w_size]`.
    """
    latents, *others = inputs
    with tf.init_scope():  # a constant in graphs, since other runtimes do not have these random numbers
        many = tf.random.stateless_normal([CENTRE_LATENTS, latents.shape[-1]], [0, 0], alg="philox").numpy()
    # of each row's tags: all latents under each of them
    repeated = [ops.repeat(each, CENTRE_LATENTS, axis=0) for each in others]
    many = ops.tile(many, (ops.shape(latents)[0], 1)) if repeated else many
    w = mapping_network([many, *repeated] if repeated else many, training=False)
    return ops.mean(ops.reshape(w, (-1, CENTRE_LATENTS, w.shape[-1])), axis=1)


def draw_truncated(network, inputs, psi):
    """Pictures of a `generator` whose styles are pulled towards the mean w of the same tags.

    Args:
        network: What `generator` returned.
        inputs: Its inputs.
        psi: See `tfanime.models.stylegan2_mapping.truncate`.

    Returns:
        float32 `[batch, image_size, image_size, 3]`.
    """
    mapping_network, synthesis_network = network.get_layer("mapping"), network.get_layer("synthesis")
    *parts, noise = inputs
    w = mapping_network(parts if len(parts) > 1 else parts[0], training=False)
    centres = centre_styles(mapping_network, parts)
    count = synthesis_network.inputs[0].shape[1]
    return synthesis_network([truncate(ops.repeat(w[:, None], count, axis=1), centres, psi), noise], training=False)


def discriminator(
    image_size=64,
    channel_base=16384,
    channel_max=512,
    tag_count=0,
    projection=False,
    tag_head=False,
    mapping_layers=8,
    group_size=4,
):
    """StyleGAN2's discriminator: residual blocks down to 4x4, `MinibatchStddev`, a convolution, two dense layers.

    Args:
        image_size: Height and width of the pictures, a power of two from 16.
        channel_base: Channels times size, as in `synthesis`.
        channel_max: Most channels of a layer.
        tag_count: Number of tags, 0 for none. With tags there is a `projection`, a `tag_head` or both.
        projection: Whether the logit is the product of the picture's features and the tags', over the square root of
            their number: whether the picture is real and has these tags.
        tag_head: Whether the tags are predicted. This head sees what `MinibatchStddev` sees: a picture's tags are its
            own.
        mapping_layers: Dense layers of the tags' mapping network, for the projection.
        group_size: Most pictures a group of `MinibatchStddev`.

    Returns:
        A `keras.Model`, pictures `[batch, image_size, image_size, 3]` in [-1, 1] -> logits, float32 `[batch]`. With
        `projection` its input is `[images, tags]`, tags +-1 `[batch, tag_count]`; with `tag_head` its output is the
        pair `(logits, tag_logits)`, tag logits `[batch, tag_count]`.

    Raises:
        ValueError: An argument is out of its range.
    """
    widths = _widths(image_size, channel_base, channel_max)
    check_tag_count(tag_count)
    if bool(tag_count) != (projection or tag_head):
        raise ValueError(
            "tag_count must be 0 without projection and tag_head, and at least 1 with one of them. Received: "
            f"tag_count={tag_count}, projection={projection}, tag_head={tag_head}"
        )
    images = layers.Input((image_size, image_size, 3), name="images")
    dtype = _precision(image_size, image_size)
    x = EqualizedConv2D(widths[image_size], 1, dtype=dtype, name="from_rgb")(images)
    half = math.sqrt(0.5)  # for the sum of two signals
    for size in sorted(widths, reverse=True)[:-1]:
        dtype = _precision(size, image_size)
        width, narrower = widths[size // 2], widths[size]
        skip = EqualizedConv2D(width, 1, "down", activate=False, gain=half, dtype=dtype, name=f"skip_{size}")(x)
        x = EqualizedConv2D(narrower, 3, dtype=dtype, name=f"conv_{size}")(x)
        x = EqualizedConv2D(width, 3, "down", gain=half, dtype=dtype, name=f"conv_{size}_down")(x)
        x = layers.Add(dtype=dtype)([skip, x])
    features = x
    x = MinibatchStddev(group_size, dtype="float32")(x)
    x = EqualizedConv2D(widths[4], 3, dtype="float32", name="conv_4")(x)
    x = EqualizedDense(widths[4], activate=True, name="dense")(layers.Flatten(dtype="float32")(x))
    inputs = images
    if projection:
        tags = layers.Input((tag_count,), name="tags")
        inputs = [images, tags]
        x = EqualizedDense(widths[4], name="logit_features")(x)
        seen = tag_mapping(widths[4], tag_count, mapping_layers)(tags)
        logits = ops.sum(x * seen, axis=1, keepdims=True) / math.sqrt(widths[4])
    else:
        logits = EqualizedDense(1, name="logit")(x)
    tag_logits = None
    if tag_head:
        tag_logits = EqualizedDense(tag_count, name="tag_logit")(layers.Flatten(dtype="float32")(features))
    return keras.Model(inputs, logits_outputs(logits, tag_logits), name="stylegan2_discriminator")

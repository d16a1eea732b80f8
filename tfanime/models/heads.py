"""Inputs and outputs that all networks share: latents and tags, pictures, logits."""

from keras import layers


def check_tag_count(tag_count):
    """Raises a ValueError unless the number of tags is 0 or more."""
    if tag_count < 0:
        raise ValueError(f"tag_count must be at least 0. Received: {tag_count}")


def generator_inputs(latent_size, tag_count):
    """The inputs of a generator.

    Returns:
        The inputs of its `keras.Model`, `latents` `[batch, latent_size]` or `[latents, tags]` with tags
        `[batch, tag_count]`, and the tensor of all of them side by side.

    Raises:
        ValueError: `tag_count` is negative.
    """
    check_tag_count(tag_count)
    latents = layers.Input((latent_size,), name="latents")
    if not tag_count:
        return latents, latents
    tags = layers.Input((tag_count,), name="tags")
    return [latents, tags], layers.Concatenate()([latents, tags])


def images_output(x):
    """Pictures in [-1, 1] from a generator's last convolution."""
    # Outputs are float32 in every precision: pictures and losses must not be rounded to 8 bits twice.
    return layers.Activation("tanh", dtype="float32", name="images")(x)


def logits_outputs(logits, tag_logits=None):
    """A discriminator's outputs, float32: logits `[batch]`, or the pair `(logits, tag_logits [batch, tag_count])`.

    Args:
        logits: Symbolic tensor with one number a picture.
        tag_logits: Symbolic tensor with `tag_count` numbers a picture, or None.
    """
    outputs = layers.Activation("linear", dtype="float32", name="logits")(layers.Reshape(())(logits))
    if tag_logits is None:
        return outputs
    tag_logits = layers.Flatten()(tag_logits)
    return outputs, layers.Activation("linear", dtype="float32", name="tag_logits")(tag_logits)

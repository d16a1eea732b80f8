"""Signatures of an exported StyleGAN2 only: truncation, mixing, styles."""


def style_endpoints(generator, pngs, pixels, endpoint):
    """The signatures of a generator with styles.

    Args:
        generator: A `tfanime.generator.Generator` with its network.
        pngs, pixels: From a function to uint8 pictures, and the `tf.TensorSpec`s that it takes, to an `Endpoint`.
        endpoint: The class `Endpoint`.

    Returns:
        A dictionary from name to `Endpoint`.
    """
    import tensorflow as tf

    from tfanime.images import to_uint8
    from tfanime.latent_space.space import LatentSpace, Points
    from tfanime.models.stylegan2_mapping import truncate

    space = LatentSpace(generator)
    seed, *wanted = space.inputs.seed_specs

    def truncated(seed, psi, wanted=None):
        points = space.from_wanted(seed, wanted)
        psi = tf.where(psi > 0.0, tf.minimum(psi, 1.0), 0.0)[:, None, None]  # NaN counts as 0
        return to_uint8(space.pictures(points.with_codes(truncate(points.codes, space.centres(points), psi))))

    def mix(seed_a, seed_b, layers):
        first, second = space.from_wanted(seed_a), space.from_wanted(seed_b)
        chosen = tf.range(space.layers, dtype=tf.int64) < layers[:, None]
        return to_uint8(space.pictures(first.with_codes(tf.where(chosen[..., None], first.codes, second.codes))))

    def styles(seed, wanted=None):
        return {"w": space.from_wanted(seed, wanted).codes}

    def synthesize(w, noise):
        return to_uint8(space.pictures(Points(w, {"noise": noise})))

    def vector(name, dtype):
        return tf.TensorSpec([None], dtype, name=name)

    def of_styles(*inputs):
        return endpoint(styles, inputs, "w", f"float32 [batch, {space.layers}, {space.size}]")

    w = tf.TensorSpec([None, space.layers, space.size], tf.float32, name="w")
    noise = next(spec for spec in space.inputs.specs if spec.name == "noise")
    psi = vector("psi", tf.float32)
    found = {
        "generate_truncated": pngs(truncated, seed, psi),
        "mix": pngs(mix, vector("seed_a", tf.int64), vector("seed_b", tf.int64), vector("layers", tf.int64)),
        "styles": of_styles(seed),
        "synthesize_styles": pixels(synthesize, w, noise),
    }
    if wanted:
        found["generate_truncated_with_tags"] = pngs(truncated, seed, psi, *wanted)
        found["styles_with_tags"] = of_styles(seed, *wanted)
    return found

"""Loss and accuracy of a classifier of tags, the second head of a discriminator (ACGAN).

A tag's value is +1 if it holds, -1 if it does not, and 0 if that is not known (`tfanime.tags`). Unknown tags add
nothing to the loss and have no gradient.
"""

import tensorflow as tf

from tfanime.training.replicas import mean_over_replicas

FORMS = ("sigmoid", "softmax")
SIDES = ("both", "reals")


def tag_loss(vocabulary, tags, tag_logits, exclusive="sigmoid"):
    """-log P(tags | picture), summed over tags: a part of L_C of Odena et al. 2017 (ACGAN, arXiv 1610.09585).

    Both players minimise its mean over the batch: the discriminator on real pictures and fakes, the generator on
    fakes with the tags they were drawn from. It is a sum over tags and no mean, as in Jin et al. 2017 (arXiv
    1708.05509), where the weight 34 of the adversarial loss balances the 34 tags; that weight is `len(vocabulary)`.

    Independent tags count each for itself, by its logistic function. Exclusive groups (a hair colour) take one of two
    forms, which differ where a group is not known for certain:

    - `"sigmoid"`, Jin et al.'s: as if their tags were independent. Of several candidates (0 there, -1 elsewhere) the
      classifier still learns which tags do *not* hold.
    - `"softmax"`: the cross-entropy between the group's tags. A group counts where exactly one of its tags is +1, and
      is left out altogether where none is or several are, so also where there are several candidates.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary`.
        tags: +1, -1 and 0, `[batch, len(vocabulary)]`, of any number type.
        tag_logits: `[batch, len(vocabulary)]`, of any float type; computed with as float32.
        exclusive: The form of exclusive groups.

    Returns:
        float32 `[batch]`, in nats.

    Raises:
        ValueError: `exclusive` is neither form, or a shape is another.
    """
    if exclusive not in FORMS:
        raise ValueError(f"exclusive must be one of {FORMS}. Received: {exclusive!r}")
    tags, tag_logits = _as_float32(vocabulary, tags, tag_logits)
    # softplus(-a) = -log s(a) where the tag holds, softplus(a) = -log(1 - s(a)) where it does not
    losses = tf.where(tags == 0.0, 0.0, tf.nn.softplus(-tags * tag_logits))
    if exclusive == "sigmoid":
        return tf.reduce_sum(losses, axis=1)
    return tf.add_n(
        [
            _cross_entropy(tags[:, where], tag_logits[:, where])
            if group.exclusive
            else tf.reduce_sum(losses[:, where], axis=1)
            for group, where in vocabulary.slices
        ]
    )


def tag_accuracy(vocabulary, tags, tag_logits):
    """The classifier's accuracy over known tags, whichever form of loss it was trained with.

    An exclusive group is one question, known where exactly one of its tags is +1 and right where that tag's logit is
    the group's largest. An independent tag is one question, known where it is not 0 and right where its logit is above
    0 for +1, and not above 0 for -1.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary`.
        tags: As for `tag_loss`.
        tag_logits: As for `tag_loss`.

    Returns:
        float32 scalar in [0, 1], over the batches of all devices together; 0 where nothing is known.

    Raises:
        ValueError: A shape is another.
    """
    tags, tag_logits = _as_float32(vocabulary, tags, tag_logits)
    right, known = [], []
    for group, where in vocabulary.slices:
        holds, logits = tags[:, where] > 0.0, tag_logits[:, where]
        if group.exclusive:
            # argmax gives the first of equal values, here the only one that is true
            right.append(tf.argmax(logits, axis=1) == tf.argmax(tf.cast(holds, tf.int32), axis=1))
            known.append(_exactly_one(holds))
        else:
            right.append(tf.reshape((logits > 0.0) == holds, [-1]))
            known.append(tf.reshape(tags[:, where] != 0.0, [-1]))
    right, known = tf.concat(right, axis=0), tf.concat(known, axis=0)  # [questions of the whole batch]
    counts = tf.stack([tf.math.count_nonzero(right & known), tf.math.count_nonzero(known)])
    right_count, known_count = tf.unstack(mean_over_replicas(tf.cast(counts, tf.float32)))
    return tf.math.divide_no_nan(right_count, known_count)


def shown(vocabulary, tags):
    """The tags that a discriminator is given: exclusive groups that are known, and all other known tags.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary`.
        tags: +1, -1 and 0, `[batch, len(vocabulary)]`.

    Returns:
        float32 `[batch, len(vocabulary)]`, 1 where a tag is shown and 0 where it is hidden. A group in which not
        exactly one tag is +1 is hidden altogether.
    """
    masks = []
    for group, where in vocabulary.slices:
        part = tags[:, where]
        if group.exclusive:
            masks.append(tf.repeat(_exactly_one(part > 0)[:, None], len(group.tags), axis=1))
        else:
            masks.append(part != 0)
    return tf.cast(tf.concat(masks, axis=1), tf.float32)


def _exactly_one(holds):
    return tf.math.count_nonzero(holds, axis=1) == 1


def _cross_entropy(tags, logits):
    """-log softmax(logits) at the one tag that holds, [batch]; 0 where not exactly one does."""
    holds = tags > 0.0
    # -log(exp(a_k) / sum_i exp(a_i)) = log sum_i exp(a_i) - a_k
    values = tf.reduce_logsumexp(logits, axis=1) - tf.reduce_sum(tf.where(holds, logits, 0.0), axis=1)
    return tf.where(_exactly_one(holds), values, 0.0)


def _as_float32(vocabulary, tags, tag_logits):
    tensors = []
    for name, values in (("tags", tags), ("tag_logits", tag_logits)):
        values = tf.convert_to_tensor(values)
        if not values.shape.is_compatible_with([None, len(vocabulary)]):
            raise ValueError(
                f"{name} must be [batch, {len(vocabulary)}] for vocabulary {vocabulary.name!r}. "
                f"Received: shape {values.shape}"
            )
        tensors.append(tf.cast(values, tf.float32))
    if not tensors[0].shape.is_compatible_with(tensors[1].shape):
        raise ValueError(
            f"tags and tag_logits must have the same shape. Received: {tensors[0].shape} and {tensors[1].shape}"
        )
    return tensors

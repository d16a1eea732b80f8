"""Style mixing: some layers of one avatar, the others of another (Karras et al. 2019, arXiv 1812.04948, section 3.1).

Coarse layers decide pose, shape of the face and hair; fine ones colours and lines.
"""

import numpy as np
import tensorflow as tf

from tfanime.latent_space.space import joined


def require_styles(space, what):
    """Refuses a network without styles, with a `ValueError` that says why."""
    if not space.has_styles:
        raise ValueError(
            f"{what} needs a network with styles, such as a StyleGAN2. Received: one whose "
            "first layer alone takes the latents"
        )


def mix(space, first, second, layers):
    """The first points, with some layers of the second points.

    Args:
        space: The `LatentSpace`.
        first: `Points`; the mixtures have their noise.
        second: As many `Points`.
        layers: The layers that are taken from the second points, a list of ints.

    Returns:
        `Points`.

    Raises:
        ValueError: The network has no styles.
    """
    require_styles(space, "mixing")
    chosen = np.isin(np.arange(space.layers), layers)[:, None]
    return first.with_codes(tf.where(chosen, second.codes, first.codes))


def mixing_grid(space, rows, columns, layers, batch=64):
    """Every row's avatar with some layers of every column's.

    Args:
        space: The `LatentSpace`.
        rows: `Points`; the mixtures have their noise and remaining layers.
        columns: `Points`, from which the layers are taken.
        layers: A list of ints.
        batch: Pictures drawn at once.

    Returns:
        uint8 array `[(1 + len(rows)) * (1 + len(columns)), height, width, 3]`, row by row: white, the avatars of the
        columns; the avatar of the first row, its mixtures; and so on.

    Raises:
        ValueError: The network has no styles.
    """
    down, across = np.arange(len(rows)).repeat(len(columns)), np.tile(np.arange(len(columns)), len(rows))
    mixtures = mix(space, rows[down], columns[across], layers)
    images = space.images(joined([rows, columns, mixtures]), batch)
    shape = images.shape[1:]
    alone, above, mixed = np.split(images, [len(rows), len(rows) + len(columns)])
    below = np.concatenate([alone[:, None], mixed.reshape(len(rows), len(columns), *shape)], axis=1)
    top = np.concatenate([np.full((1, *shape), 255, np.uint8), above])
    return np.concatenate([top[None], below]).reshape(-1, *shape)

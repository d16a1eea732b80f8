"""Closed curves through points of a latent space."""

import numpy as np

from tfanime.latent_space.space import Points


def periodic_spline(keys, frames):
    """The periodic cubic spline: a closed curve with two continuous derivatives through points at equal times.

    The second derivatives m solve m[i-1] + 4 m[i] + m[i+1] = 6 (y[i-1] - 2 y[i] + y[i+1]), and between two points
    y(t) = (1-t) y0 + t y1 + ((1-t)^3 - (1-t)) m0 / 6 + (t^3 - t) m1 / 6.

    Args:
        keys: float array `[count, ...]`, count >= 2.
        frames: Values from each key to the next one.

    Returns:
        float64 array `[count * frames, ...]`; the last key leads back to the first.
    """
    keys = np.asarray(keys, np.float64)
    y = keys.reshape(len(keys), -1)
    ring = np.eye(len(y))
    before, after = np.roll(ring, 1, axis=1), np.roll(ring, -1, axis=1)
    m = np.linalg.solve(before + 4 * ring + after, 6 * (before - 2 * ring + after) @ y)
    t = np.arange(frames)[:, None] / frames
    s = 1 - t
    y0, y1, m0, m1 = (each[:, None] for each in (y, np.roll(y, -1, axis=0), m, np.roll(m, -1, axis=0)))
    curve = s * y0 + t * y1 + (s**3 - s) * m0 / 6 + (t**3 - t) * m1 / 6
    return curve.reshape(-1, *keys.shape[1:])


def ring(keys, frames):
    """A closed curve of straight lines; arguments and result as for `periodic_spline`."""
    keys = np.asarray(keys, np.float64)
    t = (np.arange(frames) / frames).reshape(-1, *[1] * (keys.ndim - 1))
    return ((1 - t) * keys[:, None] + t * np.roll(keys, -1, axis=0)[:, None]).reshape(-1, *keys.shape[1:])


def closed_path(space, keys, frames):
    """Points on a closed curve through given points.

    Styles and latents follow a spline. Noise stays that of the first point, because changing noise would flicker.
    Latents of N(0, 1) are scaled to the lengths of the keys, linearly interpolated, since the network was trained on
    such lengths only (White 2016, arXiv 1609.04468). Latents of U(-1, 1) stay in their range. Tags beside latents are
    interpolated linearly.

    Args:
        space: The `LatentSpace`.
        keys: `Points`, at least two.
        frames: Points from each key to the next one.

    Returns:
        `Points`, `len(keys) * frames` of them.

    Raises:
        ValueError: There are fewer than two keys.
    """
    if len(keys) < 2:
        raise ValueError(f"a film must show at least 2 avatars. Received: {len(keys)}")
    codes = periodic_spline(keys.codes, frames)
    if not space.has_styles and space.inputs.latents.distribution == "normal":
        lengths = ring(np.linalg.norm(keys.codes, axis=-1, keepdims=True), frames)
        codes *= lengths / np.maximum(np.linalg.norm(codes, axis=-1, keepdims=True), 1e-9)
    elif not space.has_styles:
        codes = np.clip(codes, -1, 1)
    others = {}
    for name, each in keys.others.items():
        each = np.asarray(each)
        others[name] = ring(each, frames) if name == "tags" else np.repeat(each[:1], len(codes), axis=0)
    return Points(codes.astype(np.float32), {name: each.astype(np.float32) for name, each in others.items()})

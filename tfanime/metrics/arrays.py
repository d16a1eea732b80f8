"""Checks of the metrics' arrays."""

import numpy as np


def require_features(name, features, least=2):
    """Features as float64, checked.

    Args:
        name: The argument's name, for errors.
        features: Array `[count, dimensions]`.
        least: Smallest number of rows.

    Returns:
        float64 array of the same shape.

    Raises:
        ValueError: The shape is another, there are too few rows, or a value is not finite.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"{name} must be an array [count, dimensions]. Received: shape {features.shape}")
    if len(features) < least:
        raise ValueError(f"{name} must have at least {least} rows. Received: {len(features)}")
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        raise ValueError(f"{name} must be finite. Received: {len(wrong)} rows that are not, the first is {wrong[0]}")
    return features


def require_pair(names, first, second, least=2):
    """Two sets of features of the same dimensions, each checked by `require_features`."""
    first, second = (require_features(*pair, least) for pair in zip(names, (first, second), strict=True))
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same dimensions. Received: {first.shape[1]} and {second.shape[1]}"
        )
    return first, second

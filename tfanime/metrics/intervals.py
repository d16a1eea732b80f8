"""Confidence intervals of counted shares."""

import math

Z = 1.959963984540054  # 97.5 % of a standard normal distribution lie below it


def wilson(successes, count):
    """Wilson's 95 % interval of a share (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4).

    Unlike the share plus and minus its standard error, it is correct for few samples too, and for shares of 0 and 1.

    Args:
        successes: Number of successes, an int from 0 to `count`.
        count: Number of trials, an int.

    Returns:
        `(low, high)`, floats in [0, 1]; (0, 1) without trials.

    Raises:
        ValueError: A count is negative, or larger than the total.
    """
    if not 0 <= successes <= count:
        raise ValueError(f"successes must be from 0 to count, {count}. Received: {successes}")
    if not count:
        return 0.0, 1.0
    share, weight = successes / count, Z**2 / count
    middle = (share + weight / 2) / (1 + weight)
    reach = Z * math.sqrt(share * (1 - share) / count + weight / (4 * count)) / (1 + weight)
    # With no or only successes an end is exactly 0 or 1, despite rounding.
    return (0.0 if not successes else middle - reach), (1.0 if successes == count else middle + reach)

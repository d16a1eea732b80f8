"""Numbers as text for people."""

import numpy as np


def number(value):
    """A count with separators, a measurement with three digits, an en dash for None."""
    if value is None:
        return "–"
    if isinstance(value, (int, np.integer)) or value == round(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(part, whole):
    """A share of a whole, with a digit behind the point; an en dash for a share of nothing."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 99.9 < share < 100:
        return "> 99.9 %"  # nearly all is not all
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.1f} %" if share >= 0.1 else f"{share:.2g} %"


def whole_percent(share):
    """A share in [0, 1] without digits behind the point; an en dash for None."""
    return "–" if share is None else f"{100 * share:.0f} %"

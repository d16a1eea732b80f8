"""All metrics, in the order of a table's columns. A new one is a file of its own and one entry in `METRICS`."""

import re

from tfanime.metrics import attributes, copies, faces, frechet, kernel, neighbours, pairs, path_length, second

METRICS = (
    frechet.METRIC,
    kernel.METRIC,
    second.METRIC,
    neighbours.PRECISION_RECALL,
    neighbours.DENSITY_COVERAGE,
    faces.METRIC,
    attributes.METRIC,
    path_length.METRIC,
    pairs.PSNR,
    pairs.SSIM,
    copies.DUPLICATES,
    copies.NEAREST,
)
SETTINGS = {name: value for metric in METRICS for name, value in metric.settings.items()}


def parse_metric(text):
    """Reads the name of an optional metric from a command line.

    Args:
        text: Its name, and options behind a colon: `ppl:pairs=10000,sampling=end`.

    Returns:
        `(metric, options)`: the `Metric` and all of its options, those that were left out with their defaults.

    Raises:
        ValueError: The metric or an option is unknown, or an option's value is not allowed.
    """
    optional = {metric.name: metric for metric in METRICS if metric.options is not None}
    name, _, rest = text.partition(":")
    if name not in optional:
        raise ValueError(f"a metric to compute also must be one of {', '.join(optional)}. Received: {text!r}")
    metric = optional[name]
    options = dict(metric.options)
    for option in rest.split(",") if rest else ():
        match = re.fullmatch(r"(\w+)=(.+)", option)
        if not match or match[1] not in options:
            rule = f"of {', '.join(options)}" if options else "none"
            raise ValueError(f"options of the metric {name} must be {rule}. Received: {text!r}")
        kind = type(options[match[1]])
        try:
            options[match[1]] = kind(match[2])
        except ValueError as error:
            raise ValueError(
                f"{match[1]} of the metric {name} must be of type {kind.__name__}. Received: {text!r}"
            ) from error
    metric.check(**options)
    return metric, options

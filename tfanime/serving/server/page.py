"""The page of the models that a server has, on its REST port."""

import logging

from tfanime.page.build import page_model, site
from tfanime.page.exported import Exported

LARGEST = 30_000_000  # weights of a model that browsers are given; a larger one is drawn by the server

_logger = logging.getLogger(__name__)


def page_of(models):
    """Makes the page of the highest versions that are served now; later versions do not change it.

    A browser draws by itself, and may ask the server instead. A model that is too large for that, or that ONNX cannot
    express, is drawn by the server alone. Models that tfanime did not export are left out, with a warning.

    Args:
        models: The `Models`.

    Returns:
        A dictionary from path to bytes, see `tfanime.page.build.site`.

    Raises:
        OSError: ONNX Runtime for browsers is missing and cannot be fetched.
        ValueError: None of the models can be shown.
    """
    found = []
    for name in sorted(models.names()):
        servable = max((each for each in models if each.name == name), key=lambda each: each.version)
        try:
            found.append(_page_model(name, servable))
        except ValueError as error:
            _logger.warning("no page of model %s: %s", name, error)
    if not found:
        raise ValueError("page must have a model that python -m tfanime.export wrote. Received: none")
    return site(found)


def _page_model(name, servable):
    functions = {key: signature.function for key, signature in servable.signatures.items()}
    generator = Exported(functions, servable)
    weights = sum(variable.shape.num_elements() for variable in generator.synthesize_function.variables)
    if weights <= LARGEST:
        try:
            return page_model(generator, name, name, server=True)
        except (ImportError, ValueError) as error:
            _logger.warning("model %s is drawn by the server only: %s", name, error)
    return page_model(generator, name, name, bits=None, server=True)

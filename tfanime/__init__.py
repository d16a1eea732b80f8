"""tfanime trains GANs to draw anime characters and serves them.

The packages follow a picture on its way: `tfanime.tfrecords` (pictures to shards), `tfanime.data` (shards to batches),
`tfanime.models` and `tfanime.training` (networks, and their training), `tfanime.recipes` (published methods),
`tfanime.metrics` and `tfanime.evaluate` (the quality of generators), `tfanime.generate`, `tfanime.export` and
`tfanime.serving`. `python -m tfanime` lists all commands.
"""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "FID": "tfanime.callbacks",
    "GAN": "tfanime.training",
    "Term": "tfanime.training",
    "open_generator": "tfanime.generator",
}
__all__ = ["FID", "GAN", "Term", "__version__", "open_generator"]


def __getattr__(name):
    """Imports the names that most programs need at their first use: TensorFlow takes seconds to load, which `--help`
    should not.
    """
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tfanime' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)

"""tfanime trains GANs to draw anime characters and serves them.

The packages follow a picture on its way: `tfanime.tfrecords` (pictures to shards), `tfanime.data` (shards to batches),
`tfanime.models` and `tfanime.training` (networks and the games they play), `tfanime.recipes` (published runs),
`tfanime.metrics` and `tfanime.evaluate` (what they are worth), `tfanime.generate`, `tfanime.export` and
`tfanime.serving`. `python -m tfanime` lists what can be run.
"""

__version__ = "0.1.0"

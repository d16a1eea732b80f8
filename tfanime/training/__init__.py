"""Games between networks: losses, penalties, constraints, and the Keras model that plays them.

Nothing here knows an architecture; `GAN` trains a user's own networks as well as those of `tfanime.models`.
"""

from tfanime.training.gan import GAN
from tfanime.training.penalties import Penalty

__all__ = ["GAN", "Penalty"]

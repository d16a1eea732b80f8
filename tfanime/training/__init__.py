"""Games between networks: losses, terms, constraints, and the Keras models that play them.

Nothing here knows an architecture; `GAN` trains a user's own networks as well as those of `tfanime.models`.
"""

from tfanime.training.game import Game
from tfanime.training.gan import GAN
from tfanime.training.terms import Sight, Term

__all__ = ["GAN", "Game", "Sight", "Term"]

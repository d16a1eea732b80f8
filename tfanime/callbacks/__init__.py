"""Keras callbacks for GANs. An epoch is a reporting interval of some training steps."""

from tfanime.callbacks.best import Best
from tfanime.callbacks.budget import Budget
from tfanime.callbacks.checkpoints import Checkpoints
from tfanime.callbacks.epochs import Epochs
from tfanime.callbacks.fid import FID
from tfanime.callbacks.log import RunLog
from tfanime.callbacks.loss_weights import LossWeights
from tfanime.callbacks.profile import Profile
from tfanime.callbacks.progress import Progress
from tfanime.callbacks.samples import Samples
from tfanime.callbacks.stop_on_non_finite import StopOnNonFinite

__all__ = [
    "FID",
    "Best",
    "Budget",
    "Checkpoints",
    "Epochs",
    "LossWeights",
    "Profile",
    "Progress",
    "RunLog",
    "Samples",
    "StopOnNonFinite",
]

from tfanime.callbacks import FID as FID
from tfanime.generator import open_generator as open_generator
from tfanime.training import GAN as GAN
from tfanime.training import Term as Term

__version__: str

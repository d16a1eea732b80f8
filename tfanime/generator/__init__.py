"""Trained networks: a folder that works without the recipe that made it.

    card.json                   kind, origin, licence note; name and SHA-256 of the network's file
    generator-HASH.keras        the network
    discriminator-HASH.keras    the discriminator, if there is one, for `--begin_with`

Kind `seeds` draws avatars from seeds, and tags if it has them (`Generator`). Kinds `upscale` and `stylise` take a
picture (`PictureNetwork`) and return a larger one, or one in another style.

`folder` writes and reads the folder, `drawing` and `pictures` use the network, `opening` finds it in a run folder, in a
SavedModel or by name, and `tiles` splits large pictures.
"""

from tfanime.generator.drawing import Generator
from tfanime.generator.folder import LICENCE, read_card, write_generator, write_picture_network
from tfanime.generator.opening import load_game, open_discriminator, open_generator, open_network, origin
from tfanime.generator.pictures import Form, PictureNetwork
from tfanime.pretrained import CARD

__all__ = [
    "CARD",
    "LICENCE",
    "Form",
    "Generator",
    "PictureNetwork",
    "load_game",
    "open_discriminator",
    "open_generator",
    "open_network",
    "origin",
    "read_card",
    "write_generator",
    "write_picture_network",
]

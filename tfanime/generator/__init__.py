"""A trained network as a thing of its own: a folder that works without the recipe that made it.

    card.json               what it is: kind, origin, licence note; and of its network's file
    generator-HASH.keras    the name and the SHA-256
    discriminator-HASH.keras    where there is one, for `--begin_with`

Of kind `seeds` it draws avatars from latents and tags, which a seed names (`Generator`). Of kind `upscale` or `stylise`
it makes a picture of a picture (`PictureNetwork`): a larger one, or one in another style.

`folder` writes and reads the folder, `drawing` and `pictures` use what is in it, `opening` finds it, in a run folder,
in a SavedModel and by name, and `tiles` takes large pictures apart.
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

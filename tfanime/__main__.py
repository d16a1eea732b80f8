"""`python -m tfanime`: lists the commands, in the order in which they are used."""

import sys

from tfanime import __version__, command_line
from tfanime.recipes import RECIPES

STAGES = (
    ("tfanime.tfrecords", "pictures to shards: find, crop and tag the faces; or draw avatars"),
    *((f"tfanime.recipes.{name}", f"train: {text}") for name, text in RECIPES.items()),
    ("tfanime.recipes.tagger", "train the network that predicts tags, and whose features evaluate generators"),
    ("tfanime.recipes.landmarks", "train the network that finds points of faces, for the landmark loss of cartoongan"),
    ("tfanime.recipes.study", "train one recipe with a grid of settings, and compare"),
    ("tfanime.evaluate", "metrics of trained generators, as a table and a page"),
    ("tfanime.evaluate.tags", "which tags generators obey, as a table and a page"),
    ("tfanime.evaluate.rate", "a page on which a person rates pictures of several models, blind"),
    ("tfanime.generate", "avatars from a trained generator, as a sheet or single PNGs"),
    ("tfanime.directions", "directions in which avatars can be changed, with a sheet of each"),
    ("tfanime.mix", "style mixing: a sheet of avatars with some layers of others, for a StyleGAN2"),
    ("tfanime.project", "the avatar most like a picture of yours, as a point that can be mixed and filmed"),
    ("tfanime.video", "a film from avatar to avatar, as MP4 or GIF"),
    ("tfanime.stylise", "photos of faces turned into drawings by a network of the recipe cartoongan"),
    ("tfanime.upscale", "pictures or avatars enlarged by a network of the recipe srgan"),
    ("tfanime.page", "a page that draws avatars by seed and tags in a browser"),
    ("tfanime.export", "a run's generator to a SavedModel"),
    ("tfanime.serving", "an embedded server that speaks TensorFlow Serving's gRPC and REST"),
    ("tfanime.serving.client", "avatars from such a server"),
    ("tfanime.serving.load", "a load test of such a server: avatars a second, latencies, errors"),
)


def main(arguments=None):
    """Prints the stages; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments not in ([], ["--help"], ["-h"], ["--version"]):
        raise command_line.UsageError(
            f"tfanime takes no arguments but --help and --version; run a stage, such as `python -m {STAGES[0][0]}`. "
            f"Received: {' '.join(arguments)}"
        )
    if arguments == ["--version"]:
        print(__version__)
        return 0
    print(f"tfanime {__version__}: trains GANs that draw anime characters, and serves them.\n")
    width = max(len(module) for module, _ in STAGES)
    for module, text in STAGES:
        print(f"  python -m {module:<{width}}  {text}")
    print("\nEach explains itself with --help.")
    return 0


def console():
    """The installed command `tfanime`."""
    command_line.run(main)


if __name__ == "__main__":
    console()

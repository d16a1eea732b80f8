"""What is decided about an avatar before anything is drawn: its pose, its colours, and how chance is dealt out."""

import colorsys
from dataclasses import dataclass, field

import numpy as np

from tfanime.tfrecords.drawing import Pose, mix, shade, tint

HAIR_COLOURS = {
    "blonde": (246, 215, 122),
    "brown": (134, 88, 62),
    "black": (58, 52, 66),
    "blue": (74, 112, 208),
    "pink": (248, 158, 190),
    "purple": (146, 94, 190),
    "green": (104, 184, 104),
    "red": (206, 56, 56),
    "silver": (192, 204, 226),
    "white": (246, 243, 246),
    "orange": (244, 146, 62),
    "aqua": (98, 210, 214),
    "grey": (138, 136, 142),
}
EYE_COLOURS = {
    "blue": (52, 120, 232),
    "red": (214, 36, 48),
    "brown": (146, 88, 44),
    "green": (52, 172, 84),
    "purple": (148, 76, 208),
    "yellow": (244, 206, 52),
    "pink": (246, 104, 168),
    "aqua": (44, 204, 212),
    "black": (62, 58, 68),
    "orange": (246, 136, 34),
}
SKINS = ((255, 234, 220), (255, 228, 210), (254, 222, 200), (250, 212, 186), (236, 190, 156), (198, 144, 112))
SKIN_SHARES = (0.3, 0.28, 0.2, 0.12, 0.07, 0.03)

# Each part has its own stream of chance, so that a hat put on changes nothing but the hat.
PARTS = (
    "tags pose colours background body head eyes brows mouth nose fringe side_locks back_hair tails drills hat ribbon "
    "glasses blush light"
).split()


def stream(seed, part):
    """The `numpy.random.Generator` for one of `PARTS` of the avatar `seed`: the same numbers on any machine."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, PARTS.index(part)], np.uint64)))


@dataclass(frozen=True)
class Look:
    """An avatar before it is drawn.

    Args:
        seed: Its number.
        tags: The names of the tags that hold.
        head: `Pose` of the head.
        body: `Pose` of neck and shoulders.
        hair: Colour of the hair; also `hair_dark`, `hair_light` and `hair_line` (its outlines).
        skin: Colour of the skin; also `skin_dark` and `skin_line`.
        eye: Colour of the iris.
        lash: Colour of the lashes.
        cloth: Colour of the clothes; `accent` is the second one.
    """

    seed: int
    tags: frozenset = field(default_factory=frozenset)
    head: Pose = None
    body: Pose = None
    hair: tuple = ()
    hair_dark: tuple = ()
    hair_light: tuple = ()
    hair_line: tuple = ()
    skin: tuple = ()
    skin_dark: tuple = ()
    skin_line: tuple = ()
    eye: tuple = ()
    lash: tuple = ()
    cloth: tuple = ()
    accent: tuple = ()

    def has(self, tag):
        """Whether `tag` holds."""
        return tag in self.tags

    def chance(self, part):
        """The stream of chance for one of `PARTS`."""
        return stream(self.seed, part)


def pick(random, choices, shares=None):
    """One of `choices`, each as likely as its share."""
    if shares is None:
        return choices[int(random.random() * len(choices))]
    return choices[int(np.searchsorted(np.cumsum(shares), random.random() * sum(shares)).clip(0, len(choices) - 1))]


def any_colour(random, saturation, value):
    """A colour of any hue; `saturation` and `value` are (low, high) in 0-1."""
    red, green, blue = colorsys.hsv_to_rgb(random.random(), random.uniform(*saturation), random.uniform(*value))
    return (red * 255, green * 255, blue * 255)


def _vary(random, colour, hue, value):
    """`colour` with its hue moved by at most `hue` (a turn is 1), saturation and value by a factor 1 ± `value`."""
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    h, s, v = h + random.uniform(-hue, hue), s * random.uniform(1 - value, 1 + value), v * random.uniform(1 - value, 1)
    return tuple(255 * c for c in colorsys.hsv_to_rgb(h % 1, min(s, 1), min(v, 1)))


def _colour_of(tags, part, palette):
    return next(
        (
            palette[tag.removesuffix(part)]
            for tag in sorted(tags)
            if tag.endswith(part) and tag in {name + part for name in palette}
        ),
        None,
    )


def decide(seed, tags):
    """Decides the `Look` of avatar `seed` with `tags` (names; with one hair colour and one eye colour)."""
    random = stream(seed, "colours")
    hair = _vary(random, _colour_of(tags, "_hair", HAIR_COLOURS), 0.014, 0.07)
    eye = _vary(random, _colour_of(tags, "_eyes", EYE_COLOURS), 0.012, 0.06)
    skin = _vary(random, pick(random, SKINS, SKIN_SHARES), 0.006, 0.05)
    depth = random.uniform(0.24, 0.38)
    lines = random.uniform(0.55, 0.72)
    bright = max(hair) / 255
    hair_light = tint(hair, random.uniform(0.5, 0.75)) if bright > 0.45 else mix(hair, (170, 168, 206), 0.55)
    skin_dark = mix(shade(skin, 0.16), (236, 130, 120), 0.16)
    cloth = (
        any_colour(random, (0.1, 0.75), (0.3, 1.0))
        if random.random() < 0.7
        else pick(random, ((250, 250, 252), (44, 48, 78), (60, 54, 60), (140, 36, 52)))
    )
    return Look(
        seed=seed,
        tags=frozenset(tags),
        **_decide_poses(seed, tags),
        hair=hair,
        hair_dark=shade(hair, depth) if bright < 0.9 or min(hair) < 225 else (196, 196, 218),
        hair_light=hair_light,
        hair_line=shade(mix(hair, (70, 40, 70), 0.28), lines),
        skin=skin,
        skin_dark=skin_dark,
        skin_line=mix(shade(skin_dark, 0.5), (110, 40, 40), 0.35),
        eye=eye,
        lash=mix(shade(hair, 0.85), (38, 22, 34), random.uniform(0.55, 1.0)),
        cloth=cloth,
        accent=any_colour(random, (0.45, 0.9), (0.45, 0.95)),
    )


def _decide_poses(seed, tags):
    random = stream(seed, "pose")
    wide = "twin_tails" in tags or "hat" in tags or "drill_hair" in tags or "ponytail" in tags
    scale = random.uniform(0.285, 0.33) - (0.022 if wide else 0)
    tilt = random.uniform(-1, 1) * random.uniform(0, 0.26)
    turn = random.uniform(-1, 1) * random.uniform(0, 0.27)
    nod = random.uniform(-0.07, 0.09)
    x = 0.5 + random.uniform(-0.04, 0.04) - turn * 0.08
    y = 0.55 + random.uniform(-0.035, 0.03) + (0.035 if "hat" in tags else 0)
    return {
        "head": Pose((x, y), scale, tilt, turn, nod),
        "body": Pose((x - tilt * 0.1, y), scale, tilt * 0.25, turn * 0.5),
    }

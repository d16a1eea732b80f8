"""The look of an avatar, decided before anything is drawn: its pose, its colours, and its random numbers."""

import colorsys
from dataclasses import dataclass

import numpy as np

from tfanime.drawn.canvas import WHITE, Pose, mix, shade, tint

HAIR_COLOURS = {
    "blonde": (252, 222, 130),
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

# Each part has its own random numbers, so that a hat does not change the face. New parts go to the end.
PARTS = (
    *("tags", "pose", "colours", "background", "body", "head", "eyes", "brows", "mouth", "nose", "fringe"),
    *("side_locks", "back_hair", "tails", "drills", "hat", "ribbon", "glasses", "blush", "light"),
)
_NUMBERS_A_PART = 96


class Chance:
    """A run of numbers in [0, 1) that are dealt out one after the other (a numpy Generator costs more than drawing).

    Args:
        numbers: Float array `[count]`.
    """

    def __init__(self, numbers):
        self._numbers = iter(numbers.tolist())

    def random(self):
        """The next number in [0, 1)."""
        return next(self._numbers)

    def uniform(self, low, high, count=None):
        """A number in [`low`, `high`), or an array of `count`."""
        if count is None:
            return low + (high - low) * next(self._numbers)
        return low + (high - low) * np.array([next(self._numbers) for _ in range(count)])

    def integer(self, low, high):
        """A whole number from `low` to `high`, both included."""
        return low + int((high - low + 1) * next(self._numbers))

    def pick(self, choices, shares=None):
        """One of `choices`, each as likely as its share; default: all equally."""
        number = next(self._numbers)
        if shares is None:
            return choices[int(number * len(choices))]
        for choice, share in zip(choices, shares, strict=True):
            number -= share
            if number < 0:
                return choice
        return choices[-1]

    def colour(self, saturation, value):
        """A colour of any hue; `saturation` and `value` are (low, high) in 0-1."""
        hue, saturation, value = self.random(), self.uniform(*saturation), self.uniform(*value)
        return tuple(255 * c for c in colorsys.hsv_to_rgb(hue, saturation, value))


def numbers(seed, parts=None):
    """The numbers in [0, 1) that decide avatar `seed`: float array `[parts, 96]`, the same on any machine.

    `parts` is how many of `PARTS` are wanted, all by default; the first ones do not depend on it.
    """
    return np.random.Generator(np.random.Philox(key=seed)).random((parts or len(PARTS), _NUMBERS_A_PART))


@dataclass(frozen=True)
class Look:
    """An avatar before it is drawn.

    Args:
        numbers: What decides it beside the tags, `[parts, 96]`.
        tags: The names of the tags that hold.
        head: `Pose` of the head.
        body: `Pose` of neck and shoulders.
        hair: Colour of the hair; also `hair_dark`, `hair_light` and `hair_line` (its outlines).
        skin: Colour of the skin; also `skin_dark` and `skin_line`.
        eye: Colour of the iris.
        lash: Colour of the lashes.
        cloth: Colour of the clothes; `accent` is the second one.
    """

    numbers: np.ndarray
    tags: frozenset
    head: Pose
    body: Pose
    hair: tuple
    hair_dark: tuple
    hair_light: tuple
    hair_line: tuple
    skin: tuple
    skin_dark: tuple
    skin_line: tuple
    eye: tuple
    lash: tuple
    cloth: tuple
    accent: tuple

    def has(self, tag):
        """Whether `tag` holds."""
        return tag in self.tags

    def chance(self, part):
        """The run of chance for one of `PARTS`, from its beginning."""
        return Chance(self.numbers[PARTS.index(part)])


def _vary(random, colour, hue, value):
    """`colour` with its hue moved by at most `hue` (a turn is 1), saturation and value by a factor 1 ± `value`."""
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    h, s, v = h + random.uniform(-hue, hue), s * random.uniform(1 - value, 1 + value), v * random.uniform(1 - value, 1)
    return tuple(255 * c for c in colorsys.hsv_to_rgb(h % 1, min(s, 1), min(v, 1)))


def _colour_of(tags, part, palette):
    return next(colour for name, colour in palette.items() if name + part in tags)


def decide(seed, tags):
    """Decides the `Look` of avatar `seed` with `tags` (a frozenset of names; one hair colour and one eye colour)."""
    chances = numbers(seed)
    random = Chance(chances[PARTS.index("colours")])
    hair = _vary(random, _colour_of(tags, "_hair", HAIR_COLOURS), 0.014, 0.07)
    eye = _vary(random, _colour_of(tags, "_eyes", EYE_COLOURS), 0.012, 0.06)
    skin = _vary(random, random.pick(SKINS, SKIN_SHARES), 0.006, 0.05)
    skin_dark = mix(skin, (226, 120, 104), random.uniform(0.22, 0.32))
    depth, lines = random.uniform(0.2, 0.34), random.uniform(0.52, 0.68)
    bright = max(hair)
    white = min(hair) > 215  # with shadows as deep as others' it would be silver
    hair_dark = mix(hair, (170, 164, 200), 0.55) if white else shade(hair, depth)
    lines *= 0.78 if min(hair) > 185 else 1  # dark lines would make fine white hair grey
    hair_light = tint(hair, random.uniform(0.5, 0.75)) if bright > 110 else mix(hair, (176, 176, 220), 0.6)
    cloth = random.pick((WHITE, (44, 48, 78), (60, 54, 60), (150, 36, 52), None, None, None, None, None))
    return Look(
        numbers=chances,
        tags=tags,
        **_decide_poses(Chance(chances[PARTS.index("pose")]), tags),
        hair=hair,
        hair_dark=hair_dark,
        hair_light=hair_light,
        hair_line=shade(mix(hair, (80, 40, 60), 0.3), lines),
        skin=skin,
        skin_dark=skin_dark,
        skin_line=mix(shade(skin_dark, 0.5), (120, 50, 40), 0.4),
        eye=eye,
        lash=mix(shade(hair, 0.8), (44, 24, 34), random.uniform(0.6, 1.0)),
        cloth=cloth or random.colour((0.2, 0.75), (0.5, 1.0)),
        accent=random.colour((0.45, 0.9), (0.45, 0.95)),
    )


def _decide_poses(random, tags):
    wide = bool(tags & {"twin_tails", "hat", "drill_hair", "ponytail"})
    scale = random.uniform(0.278, 0.313) - (0.012 if wide else 0)  # closer, and detectors lose the face
    tilt = random.uniform(-1, 1) * random.uniform(0.02, 0.28)
    turn = random.uniform(-1, 1) * random.uniform(0.02, 0.28)
    nod = random.uniform(-0.07, 0.08)
    x = 0.5 + random.uniform(-0.04, 0.04) - turn * 0.1
    y = 0.52 + random.uniform(-0.035, 0.03) + (0.05 if "hat" in tags else 0)
    return {
        "head": Pose((x, y), scale, tilt, turn, nod),
        "body": Pose((x - tilt * 0.1, y), scale, tilt * 0.25, turn * 0.5),
    }

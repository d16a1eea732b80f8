"""Settings with limits: the limit of a value is stated at its field, and one checker reads it.

    @dataclass(frozen=True)
    class Config(Checked):
        steps: Annotated[int, at_least(1)] = 1000
                minutes: Annotated[float | None, above(0)] = None  # None has no limit

        def rules(self):
            yield "steps", not (self.minutes and self.steps), "left out with --minutes"

`tfanime.command_line.parse` shows the limits in `--help`. A class that gives a field another default keeps its limits.
"""

import functools
import inspect
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limit:
    """The rule of a field's value.

    Args:
        rule: The rule in words, after "must be".
        holds: Value -> whether it follows the rule.
    """

    rule: str
    holds: Callable


def at_least(least):
    """A `Limit`: at least this number."""
    return Limit(f"at least {least}", lambda value: value >= least)


def above(least, most=math.inf):
    """A `Limit`: above a number, and at most `most` if it is given."""
    rule = f"above {least}" if most == math.inf else f"above {least} and at most {most}"
    return Limit(rule, lambda value: least < value <= most)


def between(least, most):
    """A `Limit`: from one number to another."""
    return Limit(f"from {least} to {most}", lambda value: least <= value <= most)


SHARE = between(0, 1)
BELOW_1 = Limit("from 0 to below 1", lambda value: 0 <= value < 1)
SEED = Limit("from 0 to 2**32 - 1", lambda value: 0 <= value < 2**32)

AVATAR_SEED = Limit("from 0 to below 2**62", lambda value: 0 <= value < 2**62)  # the first of many that count up


class Checked:
    """A dataclass of settings whose values are checked when one is made, see `broken`.

    Raises:
        ValueError: A value breaks a limit or a rule; the message names the flag, the rule and the value.
    """

    def __post_init__(self):
        for name, rule in broken(self):
            raise ValueError(f"--{name} must be {rule}. Received: {getattr(self, name)!r}")


def broken(settings):
    """Yields `(field, rule)` for all limits and then all rules that settings break, those of base classes first.

    Args:
        settings: A dataclass instance. Its class and each base class may have a method `rules`, which yields `(field,
            whether its rule holds, the rule)` for rules about several fields.
    """
    for name, limits in limits_of(type(settings)).items():
        value = getattr(settings, name)
        for limit in limits:
            if value is not None and not limit.holds(value):
                yield name, limit.rule
    for each in reversed(type(settings).__mro__):
        if "rules" in vars(each):
            yield from ((name, rule) for name, holds, rule in each.rules(settings) if not holds)


@functools.cache
def limits_of(config_class):
    """The `Limit`s of each field, a dictionary from name to tuple, including those of base classes."""
    found = {}
    for name, mark in marks(config_class):
        if isinstance(mark, Limit):
            found.setdefault(name, {})[mark] = None  # in order, each once
    return {name: tuple(each) for name, each in found.items()}


def marks(config_class):
    """Yields `(field, mark)` for all marks in `Annotated` types of the fields, in the class and its bases."""
    names = {field.name for field in fields(config_class)}
    for each in reversed(config_class.__mro__):
        for name, hint in inspect.get_annotations(each).items():
            if name in names and typing.get_origin(hint) is typing.Annotated:
                for mark in hint.__metadata__:
                    yield name, mark

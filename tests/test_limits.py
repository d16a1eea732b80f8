import re
from dataclasses import dataclass, replace
from typing import Annotated

import pytest

from tfanime.limits import Checked, Limit, above, at_least, between, limits_of

EVEN = Limit("even", lambda value: value % 2 == 0)


@dataclass(frozen=True)
class Base(Checked):
    count: Annotated[int, at_least(1)] = 2
    share: Annotated[float, between(0, 1)] = 0.5
    minutes: Annotated[float | None, above(0)] = None
    name: str = "a"

    def rules(self):
        yield "name", self.name != "b" or self.minutes is None, "another with --minutes"


@dataclass(frozen=True)
class Further(Base):
    count: Annotated[int, EVEN] = 4
    share: float = 0.25  # keeps its limit

    def rules(self):
        yield "name", len(self.name) <= self.count, f"at most --count, {self.count}, letters"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "--count must be at least 1. Received: 0"),
        ({"count": 3}, "--count must be even. Received: 3"),
        ({"share": 1.5}, "--share must be from 0 to 1. Received: 1.5"),
        ({"minutes": 0}, "--minutes must be above 0. Received: 0"),
        ({"minutes": 1, "name": "b"}, "--name must be another with --minutes. Received: 'b'"),
        ({"count": 2, "name": "abc"}, "--name must be at most --count, 2, letters. Received: 'abc'"),
        ({"count": -2, "share": 2}, "--count must be at least 1. Received: -2"),
    ],
)
def test_limits_and_rules_hold_in_every_class(values, message):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        Further(**values)
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        replace(Further(), **values)


def test_limits_accept_valid_values():
    assert Further(count=2, minutes=1, share=1) == Further(2, 1, 1)
    assert Base(count=3).count == 3  # of which the class below says more


def test_limits_of_lists_each_limit_once():
    assert {name: [limit.rule for limit in limits] for name, limits in limits_of(Further).items()} == {
        "count": ["at least 1", "even"],
        "share": ["from 0 to 1"],
        "minutes": ["above 0"],
    }

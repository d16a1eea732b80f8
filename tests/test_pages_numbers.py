import numpy as np
import pytest

from tfanime.pages.numbers import number, percent, whole_percent


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (12345, "12,345"), (np.int64(7), "7"), (2.0, "2"), (0.12345, "0.123"), (1234.56, "1,235")],
)
def test_number_formats_counts_and_measurements(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 0, "–"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 3, "33.3 %"), (1, 3000, "0.033 %"), (9999, 10000, "> 99.9 %")],
)
def test_percent_formats_shares(part, whole, text):
    assert percent(part, whole) == text


def test_whole_percent_rounds():
    assert [whole_percent(share) for share in (None, 0, 0.126, 1)] == ["–", "0 %", "13 %", "100 %"]

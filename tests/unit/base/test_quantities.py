"""Quantities in sentences."""

import pytest

from mlops_desk.base import quantities
from mlops_desk.base.quantities import amount, percent
from mlops_desk.base.text import plain


def test_number_and_unit_stand_apart_and_stay_on_one_line() -> None:
    assert percent(0.654) == "65\u202f%"
    assert percent(0.0038, 2) == "0.38\u202f%"
    assert amount(649.6, "W") == "650\u202fW"
    assert plain(percent(1.0)) == "100\u202f%"
    assert len(percent(1.0).split("\u202f")) == 2


def test_a_number_of_a_hundred_digits_is_told_by_its_power_of_ten():
    assert amount(1e99, "°C") == "1e+99\u202f°C"
    assert percent(-1e98) == "-1e+100\u202f%"
    assert amount(1e14, "W") == "100000000000000\u202fW"


@pytest.mark.parametrize(
    ("size", "name"),
    [
        (10_000_000_000, "10\u202fGB"),
        (1_500_000_000, "1500\u202fMB"),
        (2_000_000_000_000, "2\u202fTB"),
        (10 << 30, None),
        (512 << 20, None),
        (123_456_789, None),
        (0, None),
    ],
)
def test_a_size_in_powers_of_1000_is_named_so_and_no_other(size, name):
    assert quantities.decimal_name(size) == name

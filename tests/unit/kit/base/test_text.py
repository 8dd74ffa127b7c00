"""Text from outside comes out plain, on one line, capped."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.text import amount, bytes_text, decimal_name, percent, plain, size_text, span


@given(st.text(), st.integers(1, 50))
def test_plain_text_is_one_visible_line(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)
    assert len(text) > limit or "…" not in shown or "…" in text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 MiB"), (4, "4 B"), (1023, "1023 B"), (5000, "4 KiB"), (1 << 20, "1 MiB"), (3 << 30, "3.0 GiB")],
)
def test_what_is_little_is_not_told_as_nothing(size: int, text: str) -> None:
    assert size_text(size) == text


def test_ordinary_names_are_left_alone() -> None:
    assert plain("resnet50 · ana – Müller 日本") == "resnet50 · ana – Müller 日本"


def test_escapes_and_direction_marks_are_shown() -> None:
    assert plain("a\x1b[31m\u202eb\n") == "a\\x1b[31m\\u202eb\\n"


def test_a_long_text_is_cut_with_a_mark() -> None:
    assert plain("x" * 300, 10) == "x" * 10 + "…"


def test_what_is_not_shown_is_not_looked_at() -> None:
    class Watched(str):
        __slots__ = ()

        def __getitem__(self, key):
            assert key == slice(None, 6)
            return str(self)[key]

        def __iter__(self):
            raise AssertionError("all of it was walked through")

    assert plain(Watched("x" * 1000), 5) == "xxxxx…"


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
    assert decimal_name(size) == name


def test_of_text_that_is_printable_no_character_is_looked_at_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    monkeypatch.setattr("mlops_desk.kit.base.text.unicodedata.category", lambda one: looked.append(one) or "Lu")
    assert plain("resnet50 · ana – Müller 日本") == "resnet50 · ana – Müller 日本"
    assert plain("650\u202fW of 700\u202fW") == "650\u202fW of 700\u202fW"
    assert looked == []
    plain("a\tb")
    assert looked == ["a", "b"]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (16, 1_073_741_824, "16 to 1,073,741,824"),
        (0.5, 60.0, "0.5 to 60"),
        (1_024.0, 65_535.0, "1,024 to 65,535"),
        (5, None, "5 or more"),
        (None, 10, "10 or less"),
    ],
)
def test_from_where_to_where_is_said_to_the_last_digit(low, high, said):
    assert span(low, high) == said


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (812, "812 B"), (1023, "0.999 KiB"), (2_400_000, "2.29 MiB"), (1_430_000_000, "1.33 GiB")],
)
def test_a_size_has_the_unit_of_its_digits(size, text):
    assert bytes_text(size) == text.replace(" ", "\u202f")

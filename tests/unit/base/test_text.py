"""Text from outside comes out plain, on one line, capped."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.base.text import plain


@given(st.text(), st.integers(1, 50))
def test_plain_text_is_one_visible_line(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)
    assert len(text) > limit or "…" not in shown or "…" in text


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

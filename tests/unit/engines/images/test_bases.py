"""Which images a Dockerfile names, as far as it says so by itself."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.images.builds import bases


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("FROM python:3.12", ("python:3.12",)),
        ("from --platform=$BUILDPLATFORM reg.lab:5000/a/b@sha256:00 as build", ("reg.lab:5000/a/b@sha256:00",)),
        ("FROM a AS build\nFROM build\nCOPY --from=build /x /x\nCOPY --from=0 /y /y", ("a",)),
        ("FROM a AS Build\nCOPY --from=BUILD /x /x\nCOPY --chown=1 --from=ghcr.io/astral/uv:1 /uv /", ("a", "ghcr.io/astral/uv:1")),
        ("FROM a\nRUN --mount=type=bind,from=tools:2,target=/t make", ("a", "tools:2")),
        ("FROM scratch", ()),
        ("FROM python AS python\nRUN x", ("python",)),
        ("# syntax=docker/dockerfile:1\nFROM a", ("docker/dockerfile:1", "a")),
        ("ARG BASE=reg/a\nARG TAG='2'\nFROM ${BASE}:$TAG", ("reg/a:2",)),
        ("FROM ${BASE}\nFROM ${BASE:-b}", ("b",)),
        ("ARG BASE=a\nFROM $BASE\nARG BASE=b", ("a",)),
        ("RUN echo FROM secret:1", ()),
        ("\n".join(f"FROM a{n}" for n in range(50)), tuple(f"a{n}" for n in range(8))),
        ("FROM " + "a" * 600, ()),
        ("FROM a\u202eb", ()),
    ],
)  # fmt: skip
def test_what_is_named(text, named):
    assert bases(text.split("\n"), {}) == named


def test_a_value_that_is_given_goes_before_the_one_that_is_written():
    assert bases(["ARG BASE=a", "FROM $BASE"], {"BASE": "mine:1"}) == ("mine:1",)
    assert bases(["ARG BASE", "FROM $BASE"], {"BASE": "mine:1"}) == ("mine:1",)


@given(st.lists(st.text()), st.dictionaries(st.text(), st.text()))
@example(["FROM ${"], {})
@example(["FROM $$A", "COPY --from= x"], {"A": "$A"})
def test_any_text_is_read(lines, values):
    assert all(name and name.isprintable() for name in bases(lines, values))

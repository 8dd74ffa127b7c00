"""Which image serves a version, and what is said when the one that was asked for can't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.serving.runtimes.choice import TrainingImage, order, why

HERE = TrainingImage("sha256:0123456789abcdef", "j7", is_here=True)
GONE = TrainingImage("sha256:0123456789abcdef", "j7", is_here=False)


@pytest.mark.parametrize(
    ("wanted", "trained", "expected"),
    [
        ("auto", HERE, ("training", "build", "machine")),
        ("auto", GONE, ("build", "machine")),
        ("auto", None, ("build", "machine")),
        ("training", HERE, ("training",)),
        ("build", HERE, ("build",)),
        ("machine", None, ("machine",)),
    ],
)
def test_the_training_image_comes_first_and_what_was_asked_for_comes_alone(
    wanted: str, trained: TrainingImage | None, expected: tuple[str, ...]
) -> None:
    assert order(wanted, trained) == expected


def test_a_training_image_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="No job of this desk") as refused:
        order("training", None)
    assert "--runtime build" in (refused.value.hint or "")
    with pytest.raises(Refused, match=r"job j7 \(sha256:0123456789ab\) is not at the engine"):
        order("training", GONE)


@given(st.text(max_size=50).filter(lambda word: word not in {"auto", "training", "build", "machine", "triton"}))
def test_a_word_that_is_none_names_those_that_there_are(word: str) -> None:
    with pytest.raises(Invalid, match="is no runtime") as invalid:
        order(word, HERE, ("triton",))
    assert "auto, training, build, machine, triton" in (invalid.value.hint or "")
    assert order("triton", HERE, ("triton",)) == ("triton",)


def test_the_reason_names_the_image_and_what_it_spares() -> None:
    assert why("training", HERE, "base") == "training: the image of job j7 (sha256:0123456789ab), no build, no network"
    assert "on python:3.12-slim" in why("build", None, "python:3.12-slim")

"""A cursor brings back exactly the place that it was made of, and nothing else passes for one."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.cursor import Position, cursor_of, position_of
from mlops_desk.kit.base.errors import Invalid


@given(st.builds(Position, st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=100)))
@example(Position(1795645200.538123, "a/b+c?d é"))
@example(Position(0.1 + 0.2, ""))
def test_a_place_comes_back_as_it_was_and_fits_into_a_url(place: Position) -> None:
    cursor = cursor_of(place)
    assert position_of(cursor) == place
    assert cursor.replace("-", "").replace("_", "").isalnum()


def written(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "not a cursor", written(7), written([1.0]), written([1.0, "a", 2]), written([1.0, 2]),
     written(["1", "a"]), written([float("nan"), "a"]), written([float("inf"), "a"]), written([1.0, "a" * 2000]),
     "W" * 100_000],
)  # fmt: skip
def test_what_no_list_gave_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid, match="not one that a list gave"):
        position_of(cursor)

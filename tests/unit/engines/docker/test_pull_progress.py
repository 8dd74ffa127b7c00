"""What engines tell while they pull, Docker's words and Podman's, and words that nobody should have written."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.docker.images import error_in, layer_of
from mlops_desk.engines.records.task import LayerProgress, LayerState

DOCKER = (  # Docker 26.1.5, of a pull of three layers; what it says between
    ('{"status": "Pulling from images-test/a", "id": "1"}', None),
    ('{"status": "Pulling fs layer", "progressDetail": {}, "id": "00e708b46b6a"}', ("waiting", None, None)),
    ('{"status":"Waiting","progressDetail":{},"id":"00e708b46b6a"}', ("waiting", None, None)),
    ('{"status":"Retrying in 5 seconds","progressDetail":{},"id":"00e708b46b6a"}', ("waiting", None, None)),
    ('{"status": "Downloading", "progressDetail": {"current": 491520, "total": 3146925}, "id": "00e708b46b6a"}',
     ("downloading", 491520, 3146925)),
    ('{"status": "Verifying Checksum", "progressDetail": {}, "id": "00e708b46b6a"}', ("verifying", None, None)),
    ('{"status": "Download complete", "progressDetail": {}, "id": "00e708b46b6a"}', ("verifying", None, None)),
    ('{"status": "Extracting", "progressDetail": {"current": 32768, "total": 3146925}, "id": "00e708b46b6a"}',
     ("extracting", None, None)),
    ('{"status":"Extracting","progressDetail":{"current":1,"units":"s"},"id":"00e708b46b6a"}',
     ("extracting", None, None)),
    ('{"status": "Pull complete", "progressDetail": {}, "id": "00e708b46b6a"}', ("done", None, None)),
    ('{"status": "Already exists", "progressDetail": {}, "id": "00e708b46b6a"}', ("present", None, None)),
    ('{"status": "Digest: sha256:245922b87747"}', None),
    ('{"status": "Status: Downloaded newer image for 127.0.0.1:1/a:1"}', None),
)  # fmt: skip
PODMAN = (  # Podman 5.4.2, which tells of bytes now and then only
    ('{"status": "Pulling fs layer", "progressDetail": {}, "id": "00e708b46b6a"}', ("waiting", None, None)),
    ('{"status": "Downloading", "progressDetail": {"current": 2195456, "total": 5244730}, "id": "00e708b46b6a"}',
     ("downloading", 2195456, 5244730)),
    ('{"status": "Download complete", "progressDetail": {}, "id": "00e708b46b6a"}', ("verifying", None, None)),
)  # fmt: skip


@pytest.mark.parametrize(("line", "told"), [*DOCKER, *PODMAN])
def test_engines_words_are_understood(line: str, told: tuple[str, int | None, int | None] | None) -> None:
    wanted = None if told is None else LayerProgress("00e708b46b6a", LayerState(told[0]), told[1], told[2])
    assert layer_of(json.loads(line)) == wanted


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ({"current": 5, "total": -1}, (5, None)),
        ({"current": 5, "total": 0}, (5, None)),
        ({"current": -5, "total": 10}, (None, 10)),
        ({"current": 15, "total": 10}, (10, 10)),
        ({"current": "many", "total": None}, (None, None)),
        ({"current": True, "total": math.inf}, (None, None)),
        ({"current": math.nan, "total": 2.0}, (None, 2)),
        ("none of that kind", (None, None)),
        (None, (None, None)),
    ],
)
def test_numbers_that_are_none_are_not_known(detail: object, told: tuple[int | None, int | None]) -> None:
    layer = layer_of({"status": "Downloading", "id": "a", "progressDetail": detail})
    assert layer is not None
    assert (layer.done_bytes, layer.total_bytes) == told


def test_an_id_from_outside_is_plain_and_cut() -> None:
    layer = layer_of({"status": "Waiting", "id": "\u202e\x1b[31m" + "a" * 500})
    assert layer is not None
    assert layer.id.isprintable()
    assert len(layer.id) < 100


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["status", "id", "progressDetail", "error", "errorDetail", "aux"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["current", "total", "message"]), inner),
            max_leaves=5,
        ),
    )
)
@example({"status": "Downloading", "id": "a", "progressDetail": {"current": 10**400, "total": 1}})
@example({"status": ["Downloading"], "id": 5})
def test_nothing_that_an_engine_says_is_a_bug_of_ours(message: dict[str, Any]) -> None:
    layer = layer_of(message)
    assert layer is None or layer.total_bytes is None or layer.total_bytes > 0
    said = error_in(message)
    assert said is None or isinstance(said, str)


def test_an_error_is_seen_in_either_place() -> None:
    assert error_in({"errorDetail": {"message": "no space"}}) == "no space"
    assert error_in({"error": "manifest unknown", "errorDetail": {"message": "x"}}) == "manifest unknown"
    assert error_in({"status": "Waiting", "id": "a"}) is None

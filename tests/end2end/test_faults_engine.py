"""Without a container engine: everything but containers works, and who misses it is told what to do."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.end2end.window_screen import window

pytestmark = [pytest.mark.end2end]

SPEC = """\
apiVersion: mlops-desk/v1
kind: Job
name: waits
image: python:3.12-slim
command: [python, -c, "print(1)"]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "data", {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    yield made
    made.stop()


def test_without_an_engine_the_rest_works_and_it_is_named(desk: Desk, tmp_path: Path) -> None:
    assert desk.json("status")["host"]["metrics"]["system.memory.usage"]["value"] > 0
    check = next(one for one in desk.json("doctor") if one["name"] == "container engine")
    assert check["state"] == "problem"
    assert "none.sock" in check["text"]
    assert "systemctl start docker" in check["fix"]
    spec = tmp_path / "job.yaml"
    spec.write_text(SPEC)
    job = desk.json("jobs", "submit", str(spec))
    waiting = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda told: told["reason"])
    assert waiting["state"] == "blocked"
    assert "engine" in json.dumps(waiting["reason"])
    with window(desk) as seen:
        told = seen.until(lambda told: "engine" in told["bottom"] and "waits" in told["page"])
        assert "agent" in told["bottom"]
        seen.until(lambda told: told["turns"] > 5)

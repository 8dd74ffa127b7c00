"""The agent is killed by KILL in the middle of what it does beside an endpoint: nothing stays, and it can be asked again.

Real processes on the real engine, each killed at another moment of the verb.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.images import python_image
from tests.onnx_graph import write_graph
from tests.wheels import closure

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
ROOT = Path(__file__).resolve().parents[2]


class Killed:
    """Agents that come one after the other on one data folder."""

    def __init__(self, folder: Path, image: str) -> None:
        self.out = folder / "out" / "front"
        self.out.parent.mkdir()
        self._given = [str(folder / "data"), image, str(write_graph_in(folder)), str(self.out)]

    def start(self, verb: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.end2end.doomed_endpoint", *self._given, verb]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)

    def run(self, verb: str) -> str:
        said, errors = (running := self.start(verb)).communicate(timeout=600)
        assert running.returncode == 0, errors[-4000:]
        return said

    def kill(self, verb: str, seconds: float) -> bool:
        """Kill an agent so many seconds after it has begun; tell whether it was done by then."""
        with self.start(verb) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "begun\n", running.communicate()[1][-4000:]
            time.sleep(seconds)
            running.send_signal(signal.SIGKILL)
            return "done" in running.communicate(timeout=240)[0]


def write_graph_in(folder: Path) -> Path:
    model = folder / "model"
    model.mkdir()
    return write_graph(model)


@pytest.fixture(scope="module")
def killed() -> Iterator[Killed]:
    image = python_image(closure(("onnx", "onnxruntime", "numpy")))
    with TemporaryDirectory(prefix="mld-") as folder:
        made = Killed(Path(folder), image)
        try:
            yield made
        finally:
            made.run("remove")


@pytest.mark.parametrize(
    ("verb", "moments"),
    [
        ("replay", (0.05, 0.6, 1.5, 2.5)),
        ("export", (0.05, 0.4, 1.0, 2.0, 4.0)),
        ("compare", (0.05, 0.5, 1.5, 3.0)),
    ],
)
def test_nothing_is_left_of_what_a_killed_agent_did_and_it_can_be_asked_again(
    killed: Killed, verb: str, moments: tuple[float, ...]
) -> None:
    killed.run("look")  # it is up from here on
    in_between = 0
    for seconds in moments:
        was_done = killed.kill(verb, seconds)
        in_between += not was_done
        found = json.loads(killed.run("look"))
        assert not any(found["left"].values()), (verb, seconds, found)
        assert (found["state"], found["revision"], found["answer"]) == ("live", 1, 200), (verb, seconds)
        if verb == "export" and killed.out.exists():
            assert was_done or (killed.out / "verify.sh").is_file(), "under the final name it is whole"
            shutil.rmtree(killed.out)
    assert in_between >= len(moments) // 2, "these moments lie behind the verb's end: choose earlier ones"
    assert "done" in killed.run(verb)
    if verb == "export":
        shutil.rmtree(killed.out)

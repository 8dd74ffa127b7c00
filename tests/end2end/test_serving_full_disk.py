"""Endpoints on a disk that is really full: what is taken back is taken back, and what can't be stored is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end2end.chamber import chamber, possible

pytestmark = [
    pytest.mark.end2end,
    pytest.mark.skipif(not possible() and not os.environ.get("CI"), reason="no mount namespace can be had here"),
]
ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
_BEGIN = """
import os, signal, sys, time
from pathlib import Path
from tests.end2end.chamber import fill
from tests.end2end.endpoint_house import ask, open_house, told_of

with open_house(Path(sys.argv[1])) as house:
    house.service.start()
"""


def inside(tmp_path: Path, script: str) -> None:
    """Run a ``script`` whose folder is a disk of its own of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with chamber() as made:
        made.small_disk(folder, 24 * MIB)
        command = [*made.enter, sys.executable, "-c", _BEGIN + script, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT)
        assert (done.returncode, done.stdout[-5:]) == (0, "held\n"), done.stderr[-6000:]


_GOES_BACK = """
    house.settings.set("serving.canary_requests", "50")
    house.replica(1, "old")
    bad = house.replica(2, "new")
    house.service.deploy("digits/1", "front")
    house.service.deploy("digits/2", "front", canary=50)
    house.service.split("front", ["1=50", "2=50"])
    filler = fill(house.folder.root)
    bad.status = 500
    began = time.monotonic()
    while house.service.show("front").rollout is not None:
        assert time.monotonic() < began + 30, house.service.show("front")
        ask(house.service.show("front"))
    print("back after", round(time.monotonic() - began, 1), file=sys.stderr)
    front = house.service.show("front")
    assert (front.revision, front.traffic, front.state) == (1, {"1": 1.0}, "live"), front
    assert front.revisions[1].reason.class_ == "canary_errors", front.revisions
    answers = [ask(front) for _ in range(40)]
    assert {(one.status_code, one.headers["x-mlops-desk-revision"]) for one in answers} == {(200, "1")}
    house.wait(lambda: any("can't be stored" in text for text in told_of(house)))
    assert any("went back" in text for text in told_of(house))
    # A gateway that is killed begins with the table that the disk has not taken.
    pid = house.service._switchboard.gatekeeper.state.pid
    os.kill(pid, signal.SIGKILL)
    answers = [ask(front) for _ in range(40)]
    assert {(one.status_code, one.headers["x-mlops-desk-revision"]) for one in answers} == {(200, "1")}
    assert house.service._switchboard.gatekeeper.state.pid != pid
    filler.unlink()
    house.wait(lambda: any("stored again" in text for text in told_of(house)))
    house.agent()
    house.service.start()
    front = house.service.show("front")
    assert (front.revision, front.rollout, front.traffic) == (1, None, {"1": 1.0}), front
    assert [str(one.state) for one in front.revisions] == ["live", "rolled_back"], front.revisions
    print("held")
"""


def test_a_canary_that_fails_on_a_full_disk_goes_back_and_what_is_not_stored_is_told(tmp_path: Path) -> None:
    inside(tmp_path, _GOES_BACK)

"""Eight jobs of one GPU and two of four, from the agents of three users, on an engine with stand-in GPUs, by both of the
ways in which GPUs are handed over: what is seen inside is what was leased, and nobody meets anybody."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import ENVIRONMENT, LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.leases.shared_mailbox.queue_service import WaitingDesk
from tests.gpu_engine import PrivateEngine, cdi_engine, gpu_engine  # noqa: F401 - the fixtures
from tests.images import busybox_image

pytestmark = [pytest.mark.end2end, pytest.mark.engine]

ROOT = Path(__file__).resolve().parents[2]
SEES = "ls /dev | grep '^nvidia[0-9]' | tr -d a-z | sort -n | tr '\\n' ' '; sleep 0.5"
ONE, FOUR = (f"command: [sh, -c, {json.dumps(SEES)}]\nresources: {{gpus: {count}}}" for count in (1, 4))
USERS = {4101: [ONE, FOUR, ONE, ONE], 4102: [FOUR, ONE, ONE], 4103: [ONE, ONE, ONE]}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in which each user has one, and all share one for leases; pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="mlops-desk-sets-") as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "leases").mkdir()
        (place / "leases").chmod(0o1777)
        for uid in USERS:
            (place / str(uid)).mkdir()
            os.chown(place / str(uid), uid, uid)
        yield place


def agent(uid: int, place: Path, engine: PrivateEngine, image: str) -> "subprocess.Popen[str]":
    # The Python of the tests may lie where only root can read; reading is all that is lent to the user.
    lent = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *lent]
    command = [sys.executable, "-m", "tests.end2end.users_desk", str(place / str(uid) / "d")]
    texts = place / f"{uid}.json"
    texts.write_text(json.dumps(USERS[uid]))
    with texts.open() as jobs:
        return subprocess.Popen(
            [*become, *command, engine.address, image, *engine.gpus],
            cwd=ROOT, text=True, stdin=jobs, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, ENVIRONMENT: str(place / "leases"), "HOME": str(place / str(uid))},
        )  # fmt: skip


@pytest.mark.parametrize("route", ["gpu_engine", "cdi_engine"])
def test_ten_jobs_of_three_users_see_the_gpus_that_were_leased_to_them_and_meet_nobody(
    request: pytest.FixtureRequest, place: Path, route: str
) -> None:
    engine = request.getfixturevalue(route)
    image = busybox_image(engine.address)
    jobs = []
    with engine.open_to_all(), contextlib.ExitStack() as stack:
        agents = [stack.enter_context(agent(uid, place, engine, image)) for uid in USERS]
        for one in agents:
            output, errors = one.communicate(timeout=300)
            assert one.returncode == 0, errors[-3000:]
            jobs += json.loads(output)
    assert [job["state"] for job in jobs] == ["succeeded"] * 10, jobs
    assert sorted(len(job["gpus"]) for job in jobs) == [1] * 8 + [4] * 2
    for job in jobs:
        assert job["attempts"] == 1
        leased = sorted(engine.gpus.index(uuid) for uuid in job["gpus"])
        assert job["log"] == ["".join(f"{index} " for index in leased)], job
    for one, other in itertools.combinations(jobs, 2):
        if set(one["gpus"]) & set(other["gpus"]):
            first, second = sorted((one, other), key=lambda job: job["started_at"])
            assert first["ended_at"] <= second["started_at"], (first, second)
    assert nothing_is_left(place)


def nothing_is_left(place: Path) -> bool:
    """Tell whether no lease is held any more, and nobody stands in the line of those who wait for GPUs."""
    folders = LeaseFolders((place / "leases",))
    watcher = LeaseLedger(LeaseOwner("watcher"), folders=folders)
    states = {info.state for info in watcher.snapshot().values()}
    return states <= {"draining"} and WaitingDesk(folders).waiters() == ()

"""Images for jobs: shared with people, built once, given up when no job wants them any more."""

import threading
import time
from pathlib import Path

import pytest

from mlops_desk.engines.fake_images import ScriptedBuild, ScriptedPull
from mlops_desk.engines.images.builds import check_tag
from mlops_desk.engines.images.service import built_tag
from mlops_desk.engines.images.tasks import ImageClaim, NotBuilt
from mlops_desk.engines.records.task import TaskState
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from tests.unit.engines.images.conftest import House

REF = "reg:5000/team/big:1"
SHA = "0" * 64


def wanted(job_id: str = "j1", until: threading.Event | None = None) -> ImageClaim:
    return ImageClaim(job_id, lambda: until is None or not until.is_set())


@pytest.fixture
def context(house: House, tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM base:1\n")
    house.images.builds._contexts.kept[SHA] = folder
    return folder


def waiting(work: object) -> tuple[threading.Thread, list[object]]:
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())
        except (DeskError, NotBuilt) as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


@pytest.mark.slow
def test_a_job_gets_its_image_and_tells_how_far_it_is(house: House) -> None:
    house.engine.remote.add(REF)
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), 1.0)
    supply = house.images.supply("local")
    assert supply.progress("j1") is None
    thread, found = waiting(lambda: supply.pull(REF, 1000, None, wanted()))
    deadline = time.monotonic() + 10
    while (progress := supply.progress("j1")) is None or progress.done_bytes is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (progress.kind, progress.state, progress.layers_count) == ("pull", "running", 2)
    assert supply.progress("another") is None
    thread.join(10)
    assert found == [house.engine.image(REF)]
    assert supply.progress("j1") is None


def test_a_pull_that_no_job_wants_any_more_ends(house: House) -> None:
    house.engine.remote.add(REF)
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), 60.0)
    cancelled = threading.Event()
    thread, found = waiting(lambda: house.images.supply("local").pull(REF, 1000, None, wanted(until=cancelled)))
    cancelled.set()
    thread.join(10)
    assert isinstance(found[0], Refused)
    assert [task.state for task in house.images.tasks()] == [TaskState.CANCELLED]


def test_a_pull_that_somebody_else_wants_goes_on(house: House) -> None:
    house.engine.remote.add(REF)
    house.engine.pulls[REF] = ScriptedPull((4000, 6000), 60.0)
    cancelled = threading.Event()
    thread, _ = waiting(lambda: house.images.supply("local").pull(REF, 1000, None, wanted(until=cancelled)))
    deadline = time.monotonic() + 10
    while not house.images.tasks():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    task = house.images.pull(REF)  # by hand
    assert (task.jobs, task.by_hand) == (("j1",), True)
    cancelled.set()
    thread.join(10)
    after = house.images.task(task.id)
    assert (after.state.is_final, after.jobs) == (False, ())
    house.images.cancel(task.id)


def test_one_content_is_built_once(house: House, context: Path) -> None:
    supply = house.images.supply("local")
    first = supply.build(SHA, "Dockerfile", 1000, wanted())
    again = supply.build(SHA, "Dockerfile", 1000, wanted("j2"))
    assert first == again
    assert len(house.images.tasks()) == 1
    assert built_tag(SHA, "Dockerfile") in first.tags
    assert built_tag(SHA, "gpu.Dockerfile") != built_tag(SHA, "Dockerfile") != built_tag("1" * 64, "Dockerfile")


@pytest.mark.slow
def test_two_jobs_of_one_content_wait_for_one_build(house: House, context: Path) -> None:
    tag = built_tag(SHA, "Dockerfile")
    house.engine.builds[tag] = ScriptedBuild((("FROM base:1",),), seconds=1.0)
    supply = house.images.supply("local")
    threads = [waiting(lambda job=job: supply.build(SHA, "Dockerfile", 1000, wanted(job))) for job in ("j1", "j2")]
    for thread, _ in threads:
        thread.join(10)
    assert [found for _, found in threads] == [[house.engine.image(tag)]] * 2
    assert len(house.images.tasks()) == 1


def test_a_build_that_fails_is_quoted(house: House, context: Path) -> None:
    tag = built_tag(SHA, "Dockerfile")
    house.engine.builds[tag] = ScriptedBuild(
        (("RUN make", *(f"line {number}" for number in range(30)), "cc: fatal error"),), error="returned 2"
    )
    with pytest.raises(NotBuilt) as failed:
        house.images.supply("local").build(SHA, "Dockerfile", 1000, wanted())
    reason = failed.value.reason
    (task,) = house.images.tasks()
    assert reason.class_ == "build_failed"
    assert "returned 2" in reason.text
    assert reason.evidence is not None
    assert reason.evidence.splitlines()[-1] == "cc: fatal error"
    assert len(reason.evidence.splitlines()) == 8
    assert reason.command == f"mlops-desk images logs {task.id}"


def test_the_line_that_tells_why_a_build_failed_stands_in_the_reason_and_not_the_engines_last_word(
    house: House, context: Path
) -> None:
    tag = built_tag(SHA, "Dockerfile")
    lines = ("RUN pip install nmupy", "ERROR: No matching distribution found for nmupy", *["notice: a new pip"] * 12)
    house.engine.builds[tag] = ScriptedBuild((lines,), error="The command returned a non-zero code: 1")
    with pytest.raises(NotBuilt) as failed:
        house.images.supply("local").build(SHA, "Dockerfile", 1000, wanted())
    told = "Its image could not be built: ERROR: No matching distribution found for nmupy"
    assert failed.value.reason.text == told


def test_a_build_that_somebody_ends_fails_its_job(house: House, context: Path) -> None:
    tag = built_tag(SHA, "Dockerfile")
    house.engine.builds[tag] = ScriptedBuild((("FROM base:1",),), seconds=60.0)
    thread, found = waiting(lambda: house.images.supply("local").build(SHA, "Dockerfile", 1000, wanted()))
    deadline = time.monotonic() + 10
    while not house.images.tasks() or house.images.tasks()[0].step is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    house.images.cancel(house.images.tasks()[0].id)
    thread.join(10)
    assert isinstance(found[0], NotBuilt)
    assert found[0].reason.class_ == "build_cancelled"


def test_nobody_puts_an_image_in_the_place_of_what_jobs_have_built(house: House) -> None:
    with pytest.raises(Invalid, match="kept for what jobs have built"):
        check_tag(built_tag(SHA, "Dockerfile"))
    with pytest.raises(Invalid):
        check_tag("localhost/mlops-desk-build")
    assert check_tag("localhost/mlops-desk-builds") == "localhost/mlops-desk-builds:latest"

"""Images on a real engine, by the real program: pulled from a registry of the test's own, built, needed, cleared away."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.kit.base.errors import TimedOut
from tests.end2end.build_context import context
from tests.end2end.desk import Desk
from tests.image_registry import ImageRegistry, image_registry
from tests.images import engine_client

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
MIB = 1 << 20


@pytest.fixture
def registry() -> Iterator[ImageRegistry]:
    with image_registry() as registry:
        yield registry
    with engine_client() as client:
        for image in client.images(filters={"label": "io.mlops-desk.test"}):
            if any(f"127.0.0.1:{registry.port}/" in tag for tag in image.get("RepoTags") or ()):
                client.remove_image(image["Id"], force=True)


@dataclass
class ImagesDesk(Desk):
    """A desk for all tests of this file, each of which sees the tasks of its own alone."""

    known: frozenset[str] = frozenset()

    def all_tasks(self) -> list[Any]:
        return self.json("images", "tasks")  # type: ignore[no-any-return]  # JSON

    def tasks(self) -> list[Any]:
        return [task for task in self.all_tasks() if task["id"] not in self.known]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImagesDesk]:
    desk = ImagesDesk(tmp_path_factory.mktemp("desk") / "data")
    desk.run("settings", "set", "jobs.mount_roots", str(tmp_path_factory.getbasetemp()))
    yield desk
    desk.stop()


@pytest.fixture
def desk(agent: ImagesDesk) -> Iterator[ImagesDesk]:
    agent.known = frozenset(task["id"] for task in agent.all_tasks())
    yield agent
    for job in agent.json("jobs", "list"):
        if job["state"] in {"queued", "blocked", "starting", "running"}:
            agent.run("jobs", "cancel", job["id"], check=False)
    with engine_client() as client:
        for image in client.images(filters={"label": "io.mlops-desk.instance"}):
            if any(
                str(tag).startswith(("localhost/mlops-desk-build:", "mld-images/")) for tag in image["RepoTags"] or ()
            ):
                client.remove_image(image["Id"], force=True)


def task_of(desk: ImagesDesk, task_id: str) -> Any:
    return desk.json("images", "task", task_id)


def job_file(folder: Path, *lines: str) -> Path:
    path = folder / "job.yaml"
    path.write_text("\n".join(("apiVersion: mlops-desk/v1", "kind: Job", "name: built", *lines)) + "\n")
    return path


def test_a_pull_tells_of_its_layers_and_what_is_not_needed_is_cleared_away(
    desk: ImagesDesk, registry: ImageRegistry
) -> None:
    reference = registry.add("mld-images/big:1", (6 * MIB, 3 * MIB, 1000))
    registry.bytes_per_second = MIB / 16  # two minutes and more, so that whoever asks meanwhile finds it under way
    begun = desk.json("images", "pull", reference, "--detach")
    seen = desk.wait(lambda: task_of(desk, begun["id"]), lambda task: task["total_bytes"] is not None)
    assert 9 * MIB < seen["total_bytes"] < 10 * MIB
    assert 0 <= seen["done_bytes"] <= seen["total_bytes"]
    assert seen["layers_count"] == 3
    command = [sys.executable, "-m", "mlops_desk", "images", "pull", reference, "--json"]
    sharing = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=desk.whole_environment())
    asked = lambda: [one for one in desk.json("audit") if reference in one["arguments"]]  # noqa: E731 - one line
    desk.wait(asked, lambda found: len(found) == 2)
    registry.bytes_per_second = None
    shared = json.loads(sharing.communicate(timeout=240)[0])
    assert shared["id"] == begun["id"], "who asks meanwhile shares it, and waits"
    done = task_of(desk, begun["id"])
    assert (done["state"], done["layers_done"], done["done_bytes"]) == ("done", 3, done["total_bytes"])
    card = desk.json("images", "show", reference)
    assert (card["origin"], card["platform"].split("/")[0], card["used_by"]) == ("pulled", "linux", [])
    shown = desk.json("images", "prune")
    assert ([item["name"] for item in shown["going"]], shown["applied"]) == ([reference], False)
    assert desk.json("images", "show", reference)["id"] == card["id"], "a look removes nothing"
    gone = desk.json("images", "prune", "--yes")
    assert ([item["name"] for item in gone["going"]], gone["applied"]) == ([reference], True)
    assert desk.run("images", "show", reference, check=False).returncode == 1


def test_a_pull_that_is_ended_is_ended_at_the_engine(desk: ImagesDesk, registry: ImageRegistry) -> None:
    reference = registry.add("mld-images/slow:1", (20 * MIB,))
    registry.bytes_per_second = MIB / 2
    begun = desk.json("images", "pull", reference, "--detach")
    desk.wait(lambda: registry.layer_bytes, lambda sent: sent > MIB // 2)
    assert desk.json("images", "cancel", begun["id"])["state"] == "cancelled"

    def more() -> int:
        before = registry.layer_bytes
        time.sleep(2.0)
        return registry.layer_bytes - before

    desk.wait(more, lambda sent: sent <= MIB // 4)  # the engine fetches no more
    assert registry.layer_bytes < 15 * MIB, "and has not fetched all of it"


def test_ctrl_c_ends_the_looking_and_says_that_the_pull_goes_on(desk: ImagesDesk, registry: ImageRegistry) -> None:
    reference = registry.add("mld-images/watched:1", (4 * MIB,))
    registry.bytes_per_second = MIB / 16  # a minute: it is under way still when the looking is ended
    command = [sys.executable, "-m", "mlops_desk", "images", "pull", reference]
    looking = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=desk.whole_environment()
    )
    # Not as soon as the registry sends: whoever looks has not heard by then which task it is.
    desk.wait(desk.tasks, lambda tasks: any(task["done_bytes"] for task in tasks))
    looking.send_signal(signal.SIGINT)
    _, said = looking.communicate(timeout=240)
    registry.bytes_per_second = None
    assert looking.returncode == 130
    assert "it goes on" in said
    (task,) = desk.tasks()
    assert f"mlops-desk images cancel {task['id']}" in said
    desk.wait(lambda: task_of(desk, task["id"]), lambda now: now["state"] == "done")


def test_after_kill_9_a_pull_is_told_as_interrupted_and_goes_on(desk: ImagesDesk, registry: ImageRegistry) -> None:
    reference = registry.add("mld-images/killed:1", (3 * MIB, 3 * MIB + 1))
    registry.bytes_per_second = MIB / 16  # a minute and a half: it is under way still when the agent is killed
    begun = desk.json("images", "pull", reference, "--detach")
    desk.wait(lambda: registry.layer_bytes, lambda sent: sent > MIB // 8)
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)
    after = desk.wait(desk.tasks, bool)
    assert [(task["id"], task["state"]) for task in after] == [(begun["id"], "interrupted")]
    assert after[0]["reason"]["command"] == f"mlops-desk images pull {reference}"
    registry.bytes_per_second = None
    assert desk.json("images", "pull", reference)["state"] == "done"


def test_an_image_that_no_registry_has_is_told_in_seconds(desk: ImagesDesk, registry: ImageRegistry) -> None:
    done = desk.run("images", "pull", registry.reference("mld-images/none:1"), check=False)
    assert done.returncode == 1
    assert "no registry has it" in done.stderr
    assert done.stderr.count("Pulling the image") == 1


def test_silence_ends_a_pull_and_slowness_does_not(registry: ImageRegistry) -> None:
    reference = registry.add("mld-images/silent:1", (4 * MIB,))
    engine = DockerEngine()
    registry.bytes_per_second = MIB  # four seconds, with a word all the time
    assert engine.pull(reference, 2.0).tags == (reference,)
    engine.remove_image(reference)
    registry.silent_after = registry.layer_bytes + MIB
    with pytest.raises(TimedOut):
        engine.pull(reference, 2.0)
    registry.silent_after = None
    registry.goes_on.set()
    assert engine.pull(reference, 20.0).tags == (reference,)
    engine.close()


# -- builds ---------------------------------------------------------------------------------------


def test_a_folder_is_built_as_it_was_without_what_is_ignored(desk: ImagesDesk, tmp_path: Path) -> None:
    folder = context(
        tmp_path / "trainer", "COPY . /src", "RUN ls /src > /listed && cat /listed", "LABEL io.mlops-desk.test=1"
    )
    (folder / ".dockerignore").write_text("*.log\ndata\n!data/keep.txt\n")
    (folder / "train.py").write_text("print(1)")
    (folder / "big.log").write_text("x")
    (folder / "data").mkdir()
    (folder / "data/keep.txt").write_text("kept")
    (folder / "data/drop.bin").write_text("dropped")
    done = desk.run("images", "build", str(folder), "-t", "mld-images/built:1")
    assert "RUN ls /src" in done.stdout
    assert "train.py" in done.stdout
    assert "big.log" not in done.stdout
    card = desk.json("images", "show", "mld-images/built:1")
    assert card["origin"] == "built"
    task = desk.tasks()[0]
    assert (task["kind"], task["state"], task["step"]["count"]) == ("build", "done", task["step"]["number"])
    assert "train.py" in desk.run("images", "logs", task["id"]).stdout
    desk.run("images", "remove", "mld-images/built:1")


def test_a_build_is_ended_at_the_engine(desk: ImagesDesk, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    folder = context(tmp_path / "slow", f"RUN echo {mark} && sleep 3000")
    begun = desk.json("images", "build", str(folder), "-t", "mld-images/slow:1", "--detach")
    desk.wait(lambda: task_of(desk, begun["id"]), lambda task: any(mark == line for line in task["log_tail"]))
    assert desk.json("images", "cancel", begun["id"])["state"] == "cancelled"
    with engine_client() as client:
        desk.wait(
            lambda: [one for one in client.containers() if mark in str(one.get("Command"))], lambda left: not left
        )


def test_a_job_is_built_once_for_each_content_and_as_it_was_submitted(desk: ImagesDesk, tmp_path: Path) -> None:
    folder = context(tmp_path / "code", "COPY said /said", "RUN sleep 2")
    (folder / "said").write_text("first\n")
    file = job_file(tmp_path, "build: {context: code}", "command: [cat, /said]")
    job = desk.json("jobs", "submit", str(file))
    (folder / "said").write_text("second\n")  # later edits must not leak in
    building = desk.wait(
        lambda: desk.json("jobs", "show", job["id"]), lambda now: now["fetching"] is not None or now["image_id"]
    )
    if building["fetching"] is not None:
        assert building["reason"]["class"] == "image_building"
        assert building["fetching"]["kind"] == "build"
    ended = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda now: now["ended_at"] is not None)
    assert ended["state"] == "succeeded", ended
    assert desk.run("jobs", "logs", job["id"]).stdout == "first\n"
    capsule = ended["capsule"]
    assert capsule["image"]["id"] == ended["image_id"]
    assert len(capsule["build_sha256"]) == len(capsule["dockerfile_sha256"]) == 64
    (folder / "said").write_text("first\n")
    again = desk.json("jobs", "submit", str(file))
    once_more = desk.wait(lambda: desk.json("jobs", "show", again["id"]), lambda now: now["ended_at"] is not None)
    assert once_more["image_id"] == ended["image_id"]
    assert len([task for task in desk.tasks() if task["kind"] == "build"]) == 1
    rerun = desk.json("jobs", "rerun", job["id"])
    assert rerun["image_id"] == ended["image_id"]
    desk.wait(lambda: desk.json("jobs", "show", rerun["id"]), lambda now: now["ended_at"] is not None)


def test_a_job_whose_image_can_not_be_built_fails_with_the_builds_last_lines(desk: ImagesDesk, tmp_path: Path) -> None:
    context(tmp_path / "code", "RUN echo compiling && echo 'fatal: no nvcc' && exit 3")
    file = job_file(tmp_path, "build: {context: code}", "command: [true]")
    job = desk.json("jobs", "submit", str(file))
    failed = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda now: now["ended_at"] is not None)
    assert (failed["state"], failed["reason"]["class"]) == ("failed", "build_failed")
    assert "fatal: no nvcc" in failed["reason"]["evidence"]
    command = failed["reason"]["command"].split()
    assert command[:3] == ["mlops-desk", "images", "logs"]
    assert "compiling" in desk.run(*command[1:]).stdout


def test_a_job_that_is_cancelled_while_its_image_is_built_ends_the_build(desk: ImagesDesk, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    context(tmp_path / "code", f"RUN echo {mark} && sleep 3000")
    job = desk.json("jobs", "submit", str(job_file(tmp_path, "build: {context: code}", "command: [true]")))
    desk.wait(
        lambda: desk.json("jobs", "show", job["id"])["fetching"], lambda now: now is not None and now["line"] == mark
    )
    desk.run("jobs", "cancel", job["id"])
    desk.wait(desk.tasks, lambda tasks: [one["state"] for one in tasks] == ["cancelled"])
    assert desk.json("jobs", "show", job["id"])["state"] == "cancelled"


def test_what_a_waiting_job_needs_stays(desk: ImagesDesk, registry: ImageRegistry, tmp_path: Path) -> None:
    reference = registry.add("mld-images/needed:1", (1000,))
    desk.json("images", "pull", reference)
    waits = job_file(tmp_path, f"image: {reference}", "command: [x]", "beginAt: +1h")
    job = desk.json("jobs", "submit", str(waits))
    shown = desk.json("images", "prune", "--yes")
    assert shown["going"] == []
    assert [item["used_by"][0]["id"] for item in shown["staying"] if item["name"] == reference] == [job["id"]]
    refused = desk.run("images", "remove", reference, check=False)
    assert (refused.returncode, job["name"] in refused.stderr) == (1, True)
    desk.run("jobs", "cancel", job["id"])
    assert [item["name"] for item in desk.json("images", "prune", "--yes")["going"]] == [reference]


def test_a_link_out_of_the_folder_is_refused(desk: ImagesDesk, tmp_path: Path) -> None:
    folder = context(tmp_path / "code", "COPY . /src")
    (folder / "secret").symlink_to("/etc/shadow")
    refused = desk.run("images", "build", str(folder), "-t", "mld-images/leak:1", check=False)
    assert refused.returncode == 1
    assert "leads out of it" in refused.stderr
    shutil.rmtree(folder)
    assert desk.tasks() == []


# -- who builds -----------------------------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("docker") is None and not os.environ.get("CI"), reason="Docker's command line is not installed here"
)
def test_buildkit_builds_what_the_classic_builder_can_not(desk: ImagesDesk, tmp_path: Path) -> None:
    steps = (
        "RUN --mount=type=cache,target=/kept echo one >> /kept/x && cat /kept/x",
        "RUN <<END",
        "echo from heredoc",
        "END",
    )
    folder = context(tmp_path / "modern", "LABEL io.mlops-desk.test=1", *steps)
    done = desk.run("images", "build", str(folder), "-t", "mld-images/modern:1")
    assert "from heredoc" in done.stdout.splitlines()
    (task,) = desk.tasks()
    assert (task["builder"], task["state"]) == ("buildkit", "done")
    assert task["step"]["number"] == task["step"]["count"] == 3
    card = desk.json("images", "show", "mld-images/modern:1")
    assert "io.mlops-desk.instance" in card["labels"], "it is labelled as the classic builder's are"
    desk.run("images", "remove", "mld-images/modern:1")


@pytest.fixture(scope="module")
def misled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImagesDesk]:
    """A desk on whose PATH docker is a program that does what its neighbour ``does`` says."""
    root = tmp_path_factory.mktemp("misled")
    place = root / "bin"
    place.mkdir()
    (place / "docker").write_text(f"#!/bin/sh\n. {place}/does\n")
    (place / "docker").chmod(0o755)
    desk = ImagesDesk(root / "data", {"PATH": f"{place}:{os.environ['PATH']}"})
    desk.run("settings", "set", "jobs.mount_roots", str(tmp_path_factory.getbasetemp()))
    yield desk
    desk.stop()


@pytest.mark.parametrize("broken", ["sleep 1000", "yes", "head -c 10000000000 /dev/zero"])
def test_a_broken_docker_on_the_path_stops_no_build(misled: ImagesDesk, tmp_path: Path, broken: str) -> None:
    (misled.folder.parent / "bin" / "does").write_text(f"exec {broken}\n")
    misled.known = frozenset(task["id"] for task in misled.all_tasks())
    folder = context(tmp_path / "plain", "LABEL io.mlops-desk.test=1", "RUN echo built")
    misled.run("images", "build", str(folder), "-t", "mld-images/plain:1")
    (task,) = misled.tasks()
    assert (task["builder"], task["state"]) == ("classic", "done")
    assert "classic builder" in misled.run("images", "logs", task["id"]).stdout
    misled.run("images", "remove", "mld-images/plain:1")


def test_what_one_desk_has_queued_another_leaves_alone_and_both_may_pull_at_once(
    registry: ImageRegistry, tmp_path: Path
) -> None:
    reference = registry.add("mld-images/shared:1", (4 * MIB,))
    registry.bytes_per_second = 2 * MIB
    leases = tmp_path / "leases"
    leases.mkdir(mode=0o1777)
    three = [Desk(tmp_path / name, {"MLOPS_DESK_LEASE_DIR": str(leases)}) for name in ("a", "b", "c")]
    first, second, third = three
    try:
        begun = [desk.json("images", "pull", reference, "--detach") for desk in (first, second)]
        for desk, task in zip((first, second), begun, strict=True):
            desk.wait(lambda d=desk, t=task: task_of(d, t["id"]), lambda now: now["state"] == "done")
        waits = job_file(tmp_path, f"image: {reference}", "command: [x]", "beginAt: +1h")
        job = second.json("jobs", "submit", str(waits))
        third.json("images", "list")

        def staying() -> list[str]:
            shown = first.json("images", "prune")
            return [item["text"] for item in shown["staying"] if item["name"] == reference]

        (text,) = first.wait(staying, bool)
        assert "another desk" in text
        assert first.json("images", "prune", "--yes")["going"] == []
        second.run("jobs", "cancel", job["id"])
        first.wait(lambda: first.json("images", "prune")["going"], bool)
    finally:
        for desk in three:
            desk.stop()

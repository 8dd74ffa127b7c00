"""What agents that are gone have left in memory goes, and nothing that an agent or a container may still need."""

import fcntl
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.fake import FakeEngine, ScriptedProgram
from mlops_desk.jobs.runtimes.local import tmpfs as folders
from mlops_desk.jobs.runtimes.local.container import INSTANCE_LABEL
from mlops_desk.jobs.runtimes.local.tmpfs import MemoryFolder, sweep
from mlops_desk.kit.base.errors import Unavailable

HERE = "unix:///run/docker.sock"
OTHER = "unix:///run/podman.sock"
DEAD = f"mlops-desk-{os.geteuid()}-dead0001"

DIES = """
import os, signal, sys
from pathlib import Path
from mlops_desk.jobs.runtimes.local.tmpfs import MemoryFolder
MemoryFolder(Path(sys.argv[1]), lambda: sys.argv[2:]).make()
part = Path(sys.argv[1]) / "j-a1.logins"
part.mkdir()
(part / "token").write_text("secret")
part.chmod(0o500)
os.kill(os.getpid(), signal.SIGKILL)
"""


def left_behind(memory: Path, *engines: str) -> Path:
    """Return what an agent that was killed has left."""
    subprocess.run([sys.executable, "-c", DIES, str(memory / DEAD), *engines], check=False)
    assert (memory / DEAD / "j-a1.logins/token").read_text() == "secret"
    return memory / DEAD


@pytest.fixture
def engine():
    return FakeEngine(images=["img"], programs={"": ScriptedProgram(seconds=math.inf), "done": ScriptedProgram()})


def container(engine: FakeEngine, instance: str, *command: str) -> str:
    name = f"mld-{instance}-j-a1"
    labels = {INSTANCE_LABEL: instance}
    engine.create(ContainerSpec(name, engine.image("img").id, command or ("x",), labels=labels))
    return name


def test_what_a_killed_agent_has_left_goes(tmp_path, engine):
    left = left_behind(tmp_path, HERE)
    container(engine, "other123")
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == [left]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("started", [False, True])
def test_a_container_that_may_begin_or_runs_keeps_its_files(tmp_path, engine, started):
    left = left_behind(tmp_path, HERE)
    name = container(engine, "dead0001")
    if started:
        engine.start(name)
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == []
    assert (left / "j-a1.logins/token").exists()
    engine.start(name)
    engine.kill(name, "KILL")
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == [left]


def test_an_agent_that_lives_keeps_its_folder_also_when_it_has_just_begun_again(tmp_path, engine):
    left = left_behind(tmp_path, HERE)
    MemoryFolder(left)
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == []
    assert left.exists()


def test_ones_own_folder_is_no_leftover(tmp_path, engine):
    left_behind(tmp_path, HERE)
    assert sweep(tmp_path, "dead0001", {HERE: engine}, INSTANCE_LABEL) == []


@pytest.mark.parametrize("noted", [[OTHER], [HERE, OTHER], []])
def test_where_an_engine_is_not_asked_nothing_is_proven(tmp_path, engine, noted):
    left_behind(tmp_path, *noted)
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == []


def test_an_engine_that_does_not_answer_proves_nothing(tmp_path, engine, monkeypatch):
    left = left_behind(tmp_path, HERE)

    def away(_labels):
        raise Unavailable("The engine is away.")

    monkeypatch.setattr(engine, "containers", away)
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == []
    assert left.exists()


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[", '"unix:///run/docker.sock"', "x" * 70_000])
def test_a_note_that_says_nothing_proves_nothing(tmp_path, engine, text):
    left = left_behind(tmp_path, HERE)
    (left / ".engines.json").write_text(text)
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == []


@pytest.mark.timeout(20)
def test_nobody_waits_at_a_note_that_is_no_file(tmp_path, engine):
    left = left_behind(tmp_path, HERE)
    (left / ".engines.json").unlink()
    os.mkfifo(left / ".engines.json")
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == []
    (left / ".engines.json").unlink()
    (tmp_path / "note").write_text(json.dumps([HERE]))
    (left / ".engines.json").symlink_to(tmp_path / "note")
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == []


def test_what_is_not_private_or_only_called_so_is_left_alone(tmp_path, engine):
    left = left_behind(tmp_path, HERE)
    left.chmod(0o755)
    (tmp_path / f"mlops-desk-{os.geteuid()}-link0001").symlink_to(left)
    (tmp_path / f"mlops-desk-{os.geteuid()}-file0001").write_text("x")
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == []
    left.chmod(0o700)
    (tmp_path / "elsewhere").mkdir()
    (left / "part").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/kept").write_text("x")
    assert sweep(tmp_path, "mine0001", {HERE: engine}, INSTANCE_LABEL) == [left]
    assert (tmp_path / "elsewhere/kept").exists()


def test_the_engines_of_before_count_on_when_the_settings_change(tmp_path):
    left = left_behind(tmp_path, OTHER)
    MemoryFolder(left, lambda: [HERE]).make()
    assert json.loads((left / ".engines.json").read_text()) == [HERE, OTHER]


def test_who_is_swept_meanwhile_makes_its_folder_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_PAUSE_SECONDS", 0.0)
    place = tmp_path / DEAD
    place.mkdir(mode=0o700)
    sweeper = os.open(place, os.O_RDONLY)
    fcntl.flock(sweeper, fcntl.LOCK_EX)
    mine = MemoryFolder(place)
    with pytest.raises(Unavailable, match="held by somebody else"):
        mine.make()
    place.rmdir()
    os.close(sweeper)
    mine.make()
    assert place.is_dir()
    place.rmdir()
    mine.make()
    assert place.is_dir()
    mine.leave()
    assert not place.exists()

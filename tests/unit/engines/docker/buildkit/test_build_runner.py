"""A build by a program called docker that may be any: right, old, silent, garbled, endless, killed."""

import json
import threading
import time
from pathlib import Path

import pytest

from mlops_desk.engines.docker.build_output import BuildOutput
from mlops_desk.engines.docker.buildkit.build_runner import BuildKit, BuildPatience
from mlops_desk.engines.docker.buildkit.workspace import NoBuildKit, find_program
from mlops_desk.engines.engine import Obstacle, WasEnded
from mlops_desk.engines.image_store import BuildOrder
from mlops_desk.engines.records.task import BuilderName
from mlops_desk.kit.base.errors import DeskError, Refused, TimedOut, Unavailable

VERSION = "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3"
BEGIN = json.dumps({"vertexes": [{"digest": "a", "name": "[1/1] RUN x", "started": "t"}]})


class Engine:
    """An engine that can be asked whether it lives."""

    def __init__(self):
        self.asked = 0
        self.error = None

    def address(self):
        return "unix:///nowhere.sock"

    def call(self, _what, _work):
        self.asked += 1
        if self.error is not None:
            raise self.error


class House:
    def __init__(self, folder: Path):
        self.folder = folder
        self.engine = Engine()
        self.news = []

    def docker(self, build, version=f"echo '{VERSION}'"):
        path = self.folder / "docker"
        path.write_text(f'#!/bin/sh\nif [ "$2" = version ]; then {version}; exit; fi\n{build}\n')
        path.chmod(0o755)

    def build(self, *, seconds=30.0, hand=None, patience=BuildPatience(20.0, 20.0)):  # noqa: B008 - frozen
        with (self.folder / "log").open("w") as file:
            output = BuildOutput(file, self.news.append)
            kit = BuildKit(self.engine, "Building", output, self.folder / "log", patience, self.find)
            kit.build(self.folder, "a:1", {}, seconds, BuildOrder(), hand)

    def find(self, name):
        path = self.folder / name
        return str(path) if path.exists() else None

    @property
    def texts(self):
        return [one.text for one in self.news]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_a_build_that_goes_well_says_first_who_builds(house):
    house.docker(f"echo '{BEGIN}' >&2")
    house.build()
    assert house.texts == ["BuildKit builds (buildx 0.13.1).", "Step 1/1 : RUN x"]
    assert house.news[0].builder is BuilderName.BUILDKIT
    assert (house.folder / "log").read_text().splitlines() == house.texts


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("echo 'github.com/docker/buildx v0.12.1 abc'", "too old"),
        ("echo 'docker: buildx is not a docker command.' >&2; exit 1", "not installed"),
        ("head -c 100000000 /dev/zero", "not installed"),
        ("yes", "not installed"),
    ],
)
def test_what_is_no_buildx_is_said_before_anything_begins(house, version, said):
    house.docker("exit 7", version)
    with pytest.raises(NoBuildKit, match=said):
        house.build()
    assert house.news == []


def test_a_docker_that_hangs_or_is_not_there_is_no_buildkit(house):
    with pytest.raises(NoBuildKit, match="not installed"):
        house.build()
    house.docker("exit 7", "sleep 100")
    with pytest.raises(NoBuildKit, match="did not tell its version"):
        find_program({}, house.find, 0.3)
    (house.folder / "docker").write_bytes(b"\x7fELF no program")
    with pytest.raises(NoBuildKit, match="can't be started"):
        house.build()


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        "sleep 100",
        "yes garbage >&2",
        "head -c 30000000 /dev/zero >&2; sleep 100",
        "echo 'ERROR: no builder \"default\" found' >&2; exit 1",
        "while true; do echo; sleep 0.1; done >&2",
    ],
)
def test_what_says_nothing_of_a_build_is_no_buildkit(house, build):
    house.docker(build)
    began = time.monotonic()
    with pytest.raises(NoBuildKit):
        house.build(patience=BuildPatience(1.0, 20.0))
    assert time.monotonic() - began < 25
    assert house.news == []


def test_a_wrong_dockerfile_is_no_reason_for_another_builder(house):
    house.docker("echo 'ERROR: failed to read dockerfile: open Dockerfile: no such file' >&2; exit 1")
    with pytest.raises(Refused, match="failed to read dockerfile"):
        house.build()


def test_an_error_is_what_it_says_last(house):
    house.docker(f"echo '{BEGIN}' >&2; echo 'ERROR: failed to solve: exit code: 9' >&2; exit 1")
    with pytest.raises(Refused, match="failed: exit code: 9"):
        house.build()
    house.docker(f"echo '{BEGIN}' >&2; echo 'ERROR: failed to solve: write /x: no space left on device' >&2; exit 1")
    with pytest.raises(Obstacle):
        house.build()
    house.docker(f"echo '{BEGIN}' >&2; kill -9 $$")
    with pytest.raises(Refused, match="ended with -9"):
        house.build()


@pytest.mark.slow
def test_garbage_after_the_beginning_ends_it(house):
    house.docker(f"echo '{BEGIN}' >&2; head -c 30000000 /dev/zero >&2; sleep 100")
    with pytest.raises(Unavailable, match="makes no sense") as told:
        house.build()
    assert not isinstance(told.value, NoBuildKit)


@pytest.mark.slow
def test_it_is_ended_by_hand_and_at_the_deadline_with_all_that_it_started(house):
    house.docker(f"echo '{BEGIN}' >&2; (sleep 77.25; echo) & wait")
    ends = []

    def hand(end):
        ends.append(end)
        threading.Timer(1.0, end).start()

    began = time.monotonic()
    with pytest.raises(WasEnded):
        house.build(hand=hand)
    with pytest.raises(TimedOut, match="took longer"):
        house.build(seconds=1.0)
    assert time.monotonic() - began < 25
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if b"77.25" in _read(one)]


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
def test_silence_is_work_as_long_as_the_engine_lives(house):
    house.docker(f"echo '{BEGIN}' >&2; sleep 2")
    house.build(patience=BuildPatience(20.0, 0.2))
    assert house.engine.asked >= 3
    house.engine.error = TimedOut("no answer")
    house.docker(f"echo '{BEGIN}' >&2; sleep 100")
    with pytest.raises(TimedOut, match="no answer"):
        house.build(patience=BuildPatience(20.0, 0.2))


def test_who_hears_may_end_it(house):
    house.docker(f"echo '{BEGIN}' >&2; sleep 100")

    def full(_news):
        raise DeskError("full")

    house.news = type("Ear", (), {"append": staticmethod(full)})()
    with pytest.raises(DeskError, match="full"):
        house.build()

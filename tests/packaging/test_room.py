"""Room on the disk is asked for before a run: one sentence, what to do, and what the run took."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from desk_setup import room
from desk_setup.room import Disk, disks, shortage

GB = 10**9


def test_what_lies_on_one_disk_adds_up_and_is_asked_for_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=30 * GB))
    (disk,) = disks({"checkout": tmp_path, "engine": tmp_path})
    assert disk.needs_bytes == 28 * GB
    assert disk.sentence() == f"A run needs 28.0 GB on the disk of {tmp_path} and {tmp_path}, where 30.0 GB are free."
    assert shortage([disk], None) is None


def test_folders_of_two_disks_are_asked_for_apart(tmp_path):
    elsewhere = Path("/proc").stat().st_dev
    assert elsewhere != tmp_path.stat().st_dev
    found = disks({"checkout": tmp_path, "engine": Path("/proc")})
    assert [(one.folders, one.needs_bytes) for one in found] == [
        ((tmp_path,), 6 * GB),
        ((Path("/proc"),), 22 * GB),
    ]


@pytest.mark.parametrize(
    ("cached", "paste"),
    [
        (36 * GB, "docker builder prune --all --force"),
        (0, "du -xh --max-depth=2 /b"),
        (None, "du -xh --max-depth=2 /b"),
    ],
)
def test_where_room_is_short_it_says_what_gives_some_back(cached, paste):
    fits = Disk((Path("/a"),), 10, 10)
    short = Disk((Path("/b"),), 7 * GB, 7 * GB - 1)
    error = shortage([fits, short], cached)
    assert "/b" in error.message
    assert "/a" not in error.message
    assert error.paste.startswith(paste)


@pytest.fixture
def began(tmp_path, monkeypatch):
    """Run `begin` with so much room on the one disk; no engine."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    for name in ("BUILD", "STATE", "LOWEST"):
        monkeypatch.setattr(room, name, tmp_path / "build" / getattr(room, name).name if name != "BUILD" else tmp_path / "build")  # fmt: skip
    free = []
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=free[-1]))

    def begin(free_bytes):
        free.append(free_bytes)
        return room.begin()

    begin.free = free
    return begin


def test_a_run_begins_where_there_is_room_and_fails_at_once_where_there_is_not(began, capsys):
    assert began(8 * GB) == 0
    assert began(8 * GB - 1) == 1
    assert "where 8.0 GB are free" in capsys.readouterr().err


class FullEngine:
    """A stand-in for Traces: its build cache fills the disk until it is given back."""

    def __init__(self, free):
        self._free = free

    def clear_old(self):
        return ""

    def folder(self):
        return None

    def all(self):
        return {"images": [], "cache": []}

    def unused_cache_bytes(self):
        return 2 * GB

    def clear_cache(self):
        self._free.append(self._free[-1] + 2 * GB)
        return "Build cache that nothing used, cleared away: 2.0 GB."


@pytest.mark.parametrize(("ci", "free_gb", "status"), [("true", 7, 0), ("true", 5, 1), (None, 7, 1)])
def test_a_run_of_ci_takes_the_unused_build_cache_back_where_room_is_short(
    began, capsys, monkeypatch, ci, free_gb, status
):
    monkeypatch.delenv("CI", raising=False)
    if ci is not None:
        monkeypatch.setenv("CI", ci)
    engine = FullEngine(began.free)
    monkeypatch.setattr(room, "line_to", lambda _: "a line")
    monkeypatch.setattr(room, "Traces", lambda _: engine)
    assert began(free_gb * GB) == status
    assert ("cleared away: 2.0 GB" in capsys.readouterr().out) == (ci is not None)


def test_a_run_with_room_leaves_the_build_cache_alone(began, capsys, monkeypatch):
    monkeypatch.setenv("CI", "true")
    engine = FullEngine(began.free)
    monkeypatch.setattr(room, "line_to", lambda _: "a line")
    monkeypatch.setattr(room, "Traces", lambda _: engine)
    assert began(8 * GB) == 0
    assert "cleared away" not in capsys.readouterr().out


def test_what_the_run_took_at_its_worst_is_told_at_the_end(began, capsys, monkeypatch):
    assert began(50 * GB) == 0
    lows = iter([42 * GB, 48 * GB])

    def sleep(_):
        began.free.append(next(lows))

    monkeypatch.setattr(room.time, "sleep", sleep)
    with pytest.raises(StopIteration):
        room.watch()
    assert list(json.loads(room.LOWEST.read_text()).values()) == [42 * GB]
    assert room.end() == 0
    assert "At its worst there were 8.0 GB more" in capsys.readouterr().out

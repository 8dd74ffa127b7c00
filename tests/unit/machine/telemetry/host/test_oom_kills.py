"""Processes killed for lack of memory: counted by everybody, named where the log may be read."""

from pathlib import Path

import pytest

from mlops_desk.machine.telemetry.host.machine import OomKills, victims_of

CONTAINER = "0123456789abcdef" * 4
LOG = (
    "6,100,1,-;python invoked oom-killer: gfp_mask=0x1\n",
    f"6,101,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/docker/{CONTAINER},task=python,pid=77,uid=1000\n X=y\n",
    "3,102,1,-;Memory cgroup out of memory: Killed process 77 (python) total-vm:9kB, anon-rss:8kB\n",
    "3,103,1,-;Out of memory: Killed process 88 (evil\x1b[2J) total-vm:9kB, anon-rss:8kB\n",
)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A log of which each read gives one record, as /dev/kmsg's does."""
    records: list[bytes | OSError] = []

    def read(descriptor: int, count: int) -> bytes:
        assert count >= 1024
        assert descriptor >= 0
        if not records:
            raise BlockingIOError
        record = records.pop(0)
        if isinstance(record, OSError):
            raise record
        return record

    (tmp_path / "kmsg").touch()
    yield (
        tmp_path / "kmsg",
        records,
        lambda: monkeypatch.setattr("mlops_desk.machine.telemetry.host.machine.os.read", read),
    )
    monkeypatch.undo()


def test_the_log_names_the_victim_its_container_and_the_reason(log) -> None:
    path, records, begin = log
    kills = OomKills(path)
    begin()
    records += [BrokenPipeError(), *(line.encode() for line in LOG)]
    assert kills.look(5) == ()
    first, second = kills.look(7)
    assert (first.kind, first.device, first.pid) == ("oom", "host", 77)
    assert (first.process, first.container, first.limited) == ("python", CONTAINER, True)
    assert (second.pid, second.container, second.limited) == (88, None, False)
    assert "\x1b" not in second.process
    assert kills.look(7) == ()


def test_a_name_that_is_written_a_moment_after_the_count_is_waited_for_once(log) -> None:
    path, records, begin = log
    kills = OomKills(path)
    begin()
    assert kills.look(5) == ()
    assert kills.look(6) == ()
    records += [line.encode() for line in LOG[:3]]
    assert [(event.pid, event.count) for event in kills.look(6)] == [(77, 1)]
    assert kills.look(7) == ()
    assert [(event.pid, event.count) for event in kills.look(8)] == [(None, 1)], "told, and the next one is waited for"
    assert [(event.pid, event.count) for event in kills.look(8)] == [(None, 1)]
    assert kills.look(8) == ()


def test_without_the_log_it_is_still_told(tmp_path: Path) -> None:
    kills = OomKills(tmp_path / "absent")
    assert kills.look(None) == ()
    assert kills.look(3) == ()
    (event,) = kills.look(6)
    assert (event.count, event.pid) == (3, None)
    assert kills.look(2) == (), "a count that went back is another boot's"


def test_what_was_killed_before_the_start_is_not_told(tmp_path: Path) -> None:
    assert OomKills(tmp_path / "absent").look(1000) == ()


def test_an_older_kernels_words_are_understood() -> None:
    old = ["Killed process 12 (train.py), UID 1000, total-vm:5kB", "Killed process 13 (a) total-vm:5kB"]
    assert [victim.pid for victim in victims_of(old)] == [12, 13]


def test_this_machines_log_is_read_without_waiting() -> None:
    kills = OomKills()
    kills.look(0)
    assert len([*kills.look(1), *kills.look(1)]) == 1

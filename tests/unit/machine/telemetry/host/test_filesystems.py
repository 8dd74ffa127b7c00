"""Filesystems: which are shown, what they hold, and what a dead one may do to the others: nothing."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_desk.machine.records.host import Filesystem
from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.telemetry.host import filesystems
from mlops_desk.machine.telemetry.host.filesystems import LIMIT, Filesystems, Space, mounts, spaces

PROBE = """#!/bin/sh
# Answers as stat(1) does, except for what the test says of a mount.
while [ "$1" != -- ]; do shift; done
shift
for point; do
  case "$point" in
    *hang*) [ -e "{folder}/alive" ] || exec sleep 600 ;;
    *denied*) echo "stat: cannot read file system information for '$point': Permission denied" >&2; continue ;;
    *broken*) echo "stat: cannot read file system information for '$point': Input/output error" >&2; continue ;;
  esac
  echo "$point" >>"{folder}/asked"
  echo "1000 400 300 4096 100 25 $point"
done
"""


def line(number: int, point: str, kind: str, device: str = "/dev/x") -> str:
    return f"{number} 1 8:{number} / {point} rw,relatime shared:1 - {kind} {device} rw\n"


class Rig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = folder / "probe"
        self.command.write_text(PROBE.format(folder=folder))
        self.command.chmod(0o700)
        self.table = folder / "mountinfo"

    def source(self, *lines: str, deadline: float = 1.0) -> Filesystems:
        self.table.write_text("".join(lines))
        return Filesystems(self.table, [str(self.command), "--"], deadline)

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Mounts that a script answers for; the children that hang are ended with the test."""
    made: list[filesystems.Probe] = []
    real = filesystems.Probe

    def kept(*arguments):
        made.append(real(*arguments))
        return made[-1]

    monkeypatch.setattr(filesystems, "Probe", kept)
    yield Rig(tmp_path)
    for probe in made:
        probe.kill()
        probe._process.wait(5)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rows(source: Filesystems, now: float | None = None) -> dict[str, Filesystem]:
    return {row.mount: row for row in source.read(time.monotonic() if now is None else now)}


def test_space_and_inodes_of_each_mount(rig: Rig) -> None:
    source = rig.source(line(1, "/", "ext4", "/dev/nvme0n1p2"), line(2, "/mnt/my\\040data", "xfs"))
    source.measure()
    shown = rows(source)
    assert list(shown) == ["/", "/mnt/my data"]
    assert {name: reading.value for name, reading in shown["/"].metrics.items()} == {
        "system.filesystem.usage": 600 * 4096,
        "system.filesystem.limit": 1000 * 4096,
        "system.filesystem.available": 300 * 4096,
        "system.filesystem.utilization": pytest.approx(600 / 900),
        "system.filesystem.inodes.usage": 75,
        "system.filesystem.inodes.limit": 100,
    }
    assert (shown["/"].device, shown["/"].kind, shown["/"].note) == ("/dev/nvme0n1p2", "ext4", None)


@pytest.mark.slow
def test_a_dead_network_mount_holds_up_nobody_and_keeps_its_row(rig: Rig) -> None:
    source = rig.source(line(1, "/", "ext4"), line(2, "/hang", "nfs4", "server:/data"), line(3, "/far", "nfs4"))
    began = time.time()
    source.measure()
    shown = rows(source)
    assert shown["/"].note is None
    assert shown["/far"].metrics["system.filesystem.latency"].value is not None
    dead = shown["/hang"]
    hours = {time.strftime("%H:%M:%S", time.localtime(began + late)) for late in range(3)}
    assert dead.note in {f"not responding since {hour}" for hour in hours}
    assert began <= (dead.silent_since or 0.0) <= time.time()
    assert shown["/"].silent_since is None
    assert {reading.state for reading in dead.metrics.values()} == {MetricState.STALE}


@pytest.mark.slow
def test_a_mount_that_hangs_is_not_asked_again_at_once_and_comes_back_by_itself(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = rig.source(line(2, "/hang", "nfs4"))
    source.measure()
    (rig.folder / "alive").touch()
    source.measure()
    assert rig.asked() == []
    monkeypatch.setattr(filesystems, "time", Later(filesystems.FILESYSTEMS_SECONDS + 1))
    until(lambda: not source._known["/hang"].hanging.hangs)
    source.measure()
    assert (rows(source)["/hang"].note, rows(source)["/hang"].silent_since) == (None, None)
    assert rig.asked() == ["/hang"]


@pytest.mark.slow
def test_while_a_child_hangs_in_a_mount_no_other_is_sent(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    source = rig.source(line(2, "/hang", "nfs4"))
    source.measure()
    source._known["/hang"].hanging = Stuck()
    (rig.folder / "alive").touch()
    monkeypatch.setattr(filesystems, "time", Later(1000.0))
    source.measure()
    assert rig.asked() == []
    assert (rows(source)["/hang"].note or "").startswith("not responding since")


class Later:
    """The clock, some seconds on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.strftime, self.localtime, self.time, self.sleep = time.strftime, time.localtime, time.time, time.sleep

    def monotonic(self) -> float:
        return time.monotonic() + self._seconds


@pytest.mark.slow
def test_a_local_one_that_hangs_is_found_and_the_others_are_read_in_the_same_turn(rig: Rig) -> None:
    source = rig.source(line(1, "/", "ext4"), line(2, "/hang", "ext4"), line(3, "/mnt", "xfs"))
    source.measure()
    shown = rows(source)
    assert (shown["/"].note, shown["/mnt"].note) == (None, None)
    assert (shown["/hang"].note or "").startswith("not responding since")


@pytest.mark.slow
def test_children_that_hang_are_limited(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "_ABANDONED_LIMIT", 3)
    source = rig.source(*(line(n, f"/hang{n}", "nfs4") for n in range(4)))
    source.measure()
    for known in source._known.values():
        known.hanging = Stuck()
    gone = source._known["/hang0"]
    gone.hanging = None
    (rig.folder / "alive").touch()
    monkeypatch.setattr(filesystems, "time", Later(1000.0))
    source.measure()
    assert rig.asked() == []
    source._known["/hang1"].hanging = None
    source.measure()
    assert rig.asked() == ["/hang0"]


class Stuck:
    """A child in uninterruptible sleep."""

    hangs = True


def test_what_may_not_be_read_says_so(rig: Rig) -> None:
    source = rig.source(line(1, "/denied", "ext4"), line(2, "/broken", "ext4"), line(3, "/", "ext4"))
    source.measure()
    shown = rows(source)
    assert {reading.state for reading in shown["/denied"].metrics.values()} == {MetricState.NO_PERMISSION}
    assert (shown["/denied"].note or "").startswith("needs permission")
    assert {reading.state for reading in shown["/broken"].metrics.values()} == {MetricState.ERROR}
    assert shown["/"].note is None


def test_values_that_nobody_renews_are_withdrawn(rig: Rig) -> None:
    source = rig.source(line(1, "/", "ext4"))
    source.measure()
    old = rows(source, time.monotonic() + 1000)["/"]
    assert {reading.state for reading in old.metrics.values()} == {MetricState.STALE}


def test_without_the_command_the_row_says_why(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(line(1, "/", "ext4"))
    source = Filesystems(tmp_path / "mountinfo", [str(tmp_path / "absent")])
    source.measure()
    (row,) = source.read(time.monotonic())
    assert "No such file" in (row.note or "")


def test_this_machine_answers(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(line(1, str(tmp_path), "ext4"))
    source = Filesystems(tmp_path / "mountinfo")
    source.measure()
    (row,) = source.read(time.monotonic())
    facts = os.statvfs(tmp_path)
    assert row.metrics["system.filesystem.limit"].value == facts.f_blocks * facts.f_frsize


def test_the_kernels_own_images_and_second_mounts_are_left_out() -> None:
    table = "".join(
        (
            line(1, "/proc", "proc"),
            line(2, "/snap/core/1", "squashfs"),
            line(3, "/run", "tmpfs"),
            line(4, "/dev/shm", "tmpfs"),
            line(5, "/var/lib/docker/overlay2/x/merged", "overlay"),
            line(6, "/home", "btrfs"),
            line(6, "/var/lib/docker/btrfs", "btrfs"),
            line(7, "/mnt/nas", "nfs4"),
            line(8, "/mnt/covered", "ext4"),
            line(9, "/mnt/covered", "xfs"),
        )
    )
    found = mounts(table)
    assert [mount.point for mount in found] == ["/dev/shm", "/home", "/mnt/covered", "/mnt/nas"]
    assert [mount.remote for mount in found] == [False, False, False, True]
    assert found[2].kind == "xfs"
    assert len(mounts("".join(line(n, f"/m{n}", "ext4") for n in range(100)))) == LIMIT


def test_an_answer_that_makes_no_sense_is_none() -> None:
    assert spaces("10 20 30 4096 5 9 /odd\nrubbish\n1 2 3 x 5 6 /bad\n") == {"/odd": Space(40960, 40960, 40960, 5, 5)}

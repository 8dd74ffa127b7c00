"""Filesystems: space and inodes of each mount, asked so that a dead one blocks nothing.

Local ones are asked together by one child, each remote one by a child of its own. A mount that does not answer keeps
its row without values, with the time since when, and is asked again in growing pauses, and never while the child
that asked before still hangs. When the children that hang are too many, only those that did answer are asked.
"""

import os
import re
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from mlops_desk.kit.base.failures import longer
from mlops_desk.kit.base.process import start_child
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.host import Filesystem
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.host.counters import KernelFile
from mlops_desk.machine.telemetry.metrics.host import FILESYSTEM
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker

# Which of the many mounts are filesystems that can fill up, from /proc/self/mountinfo.
# Left out are the kernel's own, containers' layers, read-only images, and the second mount of the same filesystem.
LIMIT = 40  # chosen: more filesystems than one person watches

_OF_THE_KERNEL = frozenset((
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs",
    "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs",
    "securityfs", "selinuxfs", "sysfs", "tracefs", "fuse.portal", "fuse.gvfsd-fuse", "fuse.lxcfs",
))  # fmt: skip
_IMAGES = frozenset((
    "squashfs", "iso9660", "erofs", "udf", "cramfs", "fuse.snapfuse",
))  # fmt: skip
_OVER_THE_NETWORK = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "orangefs",
    "pvfs2", "ncpfs", "glusterfs", "coda", "virtiofs",
))  # fmt: skip
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the name of a mount, nothing is written there
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class MountedFilesystem:
    """One filesystem where it can be reached. ``remote`` ones may stop answering at any time."""

    point: str
    device: str
    kind: str
    remote: bool


def mounts(mountinfo: str) -> list[MountedFilesystem]:
    """Return the filesystems worth showing, the root first, at most ``LIMIT``."""
    found: dict[str, MountedFilesystem] = {}
    by_point: dict[str, str] = {}
    for line in mountinfo.split("\n"):
        before, mark, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if not mark or len(left) < 6 or len(right) < 2:
            continue
        number, point, kind, device = left[2], _plain(left[4]), right[0], _plain(right[1])
        hidden = by_point.get(point)
        if hidden is not None and hidden in found and found[hidden].point == point:
            del found[hidden]  # something else was mounted over it
        by_point[point] = number
        if not _worth_showing(kind, point):
            continue
        known = found.get(number)
        if known is None or len(point) < len(known.point):
            found[number] = MountedFilesystem(point, device, kind, kind in _OVER_THE_NETWORK or kind.startswith("fuse"))
    return sorted(found.values(), key=lambda mount: (mount.point != "/", mount.point))[:LIMIT]


def _worth_showing(kind: str, point: str) -> bool:
    if kind == "tmpfs":
        return point == _SHARED_MEMORY
    if kind == "overlay":
        return point == "/"
    return kind not in _OF_THE_KERNEL and kind not in _IMAGES and "\n" not in point


def _plain(text: str) -> str:
    """Undo the kernel's escapes: a space in a name is written as a backslash and 040."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text) if "\\" in text else text


# Asking a filesystem for its space in a child process that is thrown away: a dead mount may hang whoever asks.
# The child is the smallest there is, stat(1). One that does not answer within the deadline is killed; one that can't
# be killed is left behind, and remembered as long as it hangs.
COMMAND = ("stat", "--file-system", "--format=%b %f %a %S %c %d %n", "--")
_NUMBERS = 6  # as its format asks stat(1) for
_ANSWER_BYTES = 1 << 16  # chosen: some hundred mounts; a path is at most 4096 bytes


@dataclass(frozen=True, slots=True)
class Space:
    """What a filesystem said, in bytes and counts. Some count no inodes: 0 of 0 then."""

    total: int
    free: int
    available: int
    inodes: int
    inodes_free: int


class Probe:
    """A question under way to one or more mounts; ``denied`` ones may not be asked by this user."""

    def __init__(self, points: Sequence[str], command: Sequence[str] = COMMAND) -> None:
        self.points = tuple(points)
        self.started = time.monotonic()
        self.started_at = time.time()
        self.seconds: float | None = None
        self.found: dict[str, Space] = {}
        self.denied: frozenset[str] = frozenset()
        self._output, self._errors = bytearray(), bytearray()
        self._process = start_child([*command, *points], environment={"LC_ALL": "C"})

    @property
    def answered(self) -> bool:
        """Say whether the child has ended by itself."""
        return self.seconds is not None

    @property
    def hangs(self) -> bool:
        """Say whether the child is still there."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Give the child up: end it, without waiting for it to go."""
        self._process.kill()
        for stream, _ in self._streams():
            stream.close()

    def take(self) -> None:
        """Read what the child has said; at its end, understand it. Never waits."""
        said = [(stream, text) for stream, text in self._streams() if not stream.closed]
        ready, _, _ = select.select([stream for stream, _ in said], [], [], 0) if said else ([], [], [])
        for stream, text in said:
            if stream in ready:
                part = os.read(stream.fileno(), _ANSWER_BYTES)
                text.extend(part[: max(0, _ANSWER_BYTES - len(text))])
                if not part:
                    stream.close()
        if self.seconds is None and all(stream.closed for stream, _ in self._streams()) and not self.hangs:
            self.seconds = time.monotonic() - self.started
            self.found = spaces(self._output.decode("utf-8", "surrogateescape"))
            errors = self._errors.decode("utf-8", "surrogateescape")
            self.denied = frozenset(point for point in self.points if _is_denied(point, errors))

    def _streams(self) -> list[tuple[IO[bytes], bytearray]]:
        pairs = ((self._process.stdout, self._output), (self._process.stderr, self._errors))
        return [(stream, text) for stream, text in pairs if stream is not None]

    def descriptors(self) -> list[int]:
        """Return what can be waited on for an answer."""
        return [stream.fileno() for stream, _ in self._streams() if not stream.closed]


def wait(probes: Sequence[Probe], timeout_seconds: float) -> None:
    """Wait until all probes have answered, at most for ``timeout_seconds``."""
    deadline = time.monotonic() + timeout_seconds
    waiting = list(probes)
    while waiting and (left := deadline - time.monotonic()) > 0:
        descriptors = [number for probe in waiting for number in probe.descriptors()]
        if descriptors:
            select.select(descriptors, [], [], left)
        else:
            time.sleep(min(left, 0.002))  # it has said all and is about to end
        for probe in waiting:
            probe.take()
        waiting = [probe for probe in waiting if not probe.answered]


def spaces(output: str) -> dict[str, Space]:
    """Return each mount's answer from what stat(1) wrote; what makes no sense is no answer."""
    found = {}
    for line in output.split("\n"):
        words = line.split(" ", _NUMBERS)
        if len(words) <= _NUMBERS or not all(word.isascii() and word.isdecimal() for word in words[:_NUMBERS]):
            continue
        blocks, free, available, size, inodes, inodes_free = map(int, words[:_NUMBERS])
        found[words[_NUMBERS]] = Space(
            blocks * size, min(free, blocks) * size, min(available, blocks) * size, inodes, min(inodes_free, inodes)
        )
    return found


def _is_denied(point: str, errors: str) -> bool:
    return any(f"'{point}'" in line and "Permission denied" in line for line in errors.split("\n"))


FILESYSTEMS_SECONDS = 15.0  # chosen: a disk of 1 GB/s fills 15 GB meanwhile
_REMOTE_SECONDS = 25.0  # chosen: what is asked of a file server disturbs others
_DEADLINE_SECONDS = 3.0  # chosen: a filesystem on this machine answers in microseconds, a file server in milliseconds
_LONGEST_PAUSE_SECONDS = 300.0  # chosen: a mount that is back shows within minutes
_ABANDONED_LIMIT = 6  # chosen: each that hangs in the kernel can't be ended
_STALE_SECONDS = 4 * FILESYSTEMS_SECONDS


@dataclass(slots=True)
class _Known:
    """What is known of one mount. Times are monotonic, ``silent_at`` is Unix time."""

    mount: MountedFilesystem
    kept: ReadingMaker = field(default_factory=lambda: ReadingMaker(FILESYSTEM))
    readings: dict[str, Reading] = field(default_factory=dict)
    note: str | None = None
    answered: float = 0.0
    due: float = 0.0
    pause: float = FILESYSTEMS_SECONDS
    silent_at: float | None = None
    apart: bool = False
    hanging: Probe | None = None


class Filesystems:
    """Reads all filesystems; ``measure`` asks, in a thread of its own, ``read`` hands on."""

    def __init__(
        self,
        mountinfo: Path = Path("/proc/self/mountinfo"),
        command: Sequence[str] = COMMAND,
        deadline_seconds: float = _DEADLINE_SECONDS,
    ) -> None:
        self._mountinfo = KernelFile(mountinfo)
        self._command = tuple(command)
        self._deadline = deadline_seconds
        self._known: dict[str, _Known] = {}
        self._orphans: list[Probe] = []
        self._rows: tuple[tuple[float, Filesystem], ...] = ()

    def read(self, now: float) -> tuple[Filesystem, ...]:
        """Return every filesystem with its last answer; ``now`` is monotonic."""
        return tuple(row if now - at <= _STALE_SECONDS else _stale(row) for at, row in self._rows)

    def measure(self) -> None:
        """Ask those whose turn it is, and wait for them until the deadline."""
        self._look()
        if self._ask_all():
            self._ask_all()  # they were asked together and one hung: now each apart
        self._publish()

    def _ask_all(self) -> bool:
        """Ask everybody whose turn it is; say whether the local ones must be asked apart."""
        now = time.monotonic()
        due = [known for known in self._known.values() if now >= known.due and not self._hangs(known)]
        probes = self._ask([known for known in due if not known.apart and not known.mount.remote])
        for known in due:
            if (known.apart or known.mount.remote) and self._may_ask(known, len(probes)):
                probes += self._ask([known])
        wait([probe for probe, _ in probes], self._deadline)
        for probe, asked in probes:
            if probe.answered:
                self._understand(probe, asked)
            else:
                self._give_up(probe, asked)
        return any(len(asked) > 1 and not probe.answered for probe, asked in probes)

    def _publish(self) -> None:
        now = time.monotonic()
        self._rows = tuple(
            (
                known.answered if known.note is None else now,
                Filesystem(
                    plain(known.mount.point),
                    plain(known.mount.device),
                    known.mount.kind,
                    known.readings,
                    known.note,
                    known.silent_at,
                ),
            )
            for known in self._known.values()
            if known.readings or known.note
        )

    def _look(self) -> None:
        """See which mounts there are; what is gone is forgotten, but not the child that hangs in it."""
        there = {mount.point: mount for mount in mounts(self._mountinfo.read())}
        for point, known in self._known.items():
            if there.get(point) != known.mount and known.hanging is not None:
                self._orphans.append(known.hanging)
        self._orphans = [probe for probe in self._orphans if probe.hangs]
        before, self._known = self._known, {}
        for point, mount in there.items():
            old = before.get(point)
            self._known[point] = old if old is not None and old.mount == mount else _Known(mount)

    def _hangs(self, known: _Known) -> bool:
        if known.hanging is not None and not known.hanging.hangs:
            known.hanging = None
        return known.hanging is not None

    def _may_ask(self, known: _Known, under_way: int) -> bool:
        """Say whether one more child may be risked: a mount that has always answered may be asked."""
        hanging = len(self._orphans) + sum(each.hanging is not None for each in self._known.values())
        return known.silent_at is None or hanging + under_way < _ABANDONED_LIMIT

    def _ask(self, asked: list[_Known]) -> list[tuple[Probe, list[_Known]]]:
        if not asked:
            return []
        try:
            return [(Probe([known.mount.point for known in asked], self._command), asked)]
        except OSError as error:
            for known in asked:
                self._withdraw(known, MetricState.ERROR, f"Can't be asked: {error.strerror or error}.")
            return []

    def _understand(self, probe: Probe, asked: list[_Known]) -> None:
        now = time.monotonic()
        for known in asked:
            space = probe.found.get(known.mount.point)
            known.due = now + (_REMOTE_SECONDS if known.mount.remote else 0.0)
            if space is None:
                denied = known.mount.point in probe.denied
                state = MetricState.NO_PERMISSION if denied else MetricState.ERROR
                note = "needs permission: this user may not look into the folder" if denied else "It can't be read."
                self._withdraw(known, state, note)
                known.silent_at = None
                continue
            known.readings = _readings(known, space, probe.seconds)
            known.answered, known.note, known.silent_at = now, None, None
            known.pause, known.apart = FILESYSTEMS_SECONDS, False

    def _give_up(self, probe: Probe, asked: list[_Known]) -> None:
        probe.kill()
        if len(asked) > 1:  # who of them it was shows when each is asked apart, at the next turn
            self._orphans.append(probe)
            for known in asked:
                known.apart = True
            return
        known = asked[0]
        known.hanging = probe
        known.due = time.monotonic() + known.pause
        known.pause = longer(known.pause, _LONGEST_PAUSE_SECONDS)
        if known.silent_at is None:
            known.silent_at = probe.started_at
        since = time.strftime("%H:%M:%S", time.localtime(known.silent_at))
        self._withdraw(known, MetricState.STALE, f"not responding since {since}")

    def _withdraw(self, known: _Known, state: MetricState, note: str) -> None:
        names = known.readings or ("system.filesystem.usage", "system.filesystem.limit")
        known.readings = {name: known.kept.missing(name, state) for name in names}
        known.note = note


def _readings(known: _Known, space: Space, seconds: float | None) -> dict[str, Reading]:
    used = space.total - space.free
    values: dict[str, float] = {
        "system.filesystem.usage": used,
        "system.filesystem.limit": space.total,
        "system.filesystem.available": space.available,
    }
    if used + space.available:
        values["system.filesystem.utilization"] = used / (used + space.available)
    if space.inodes:
        values["system.filesystem.inodes.usage"] = space.inodes - space.inodes_free
        values["system.filesystem.inodes.limit"] = space.inodes
    if known.mount.remote and seconds is not None:
        values["system.filesystem.latency"] = seconds
    return {name: known.kept.measured(name, value) for name, value in values.items()}


def _stale(row: Filesystem) -> Filesystem:
    """Withdraw a row's values: whoever asks does not come back."""
    readings = {name: Reading(None, reading.unit, MetricState.STALE) for name, reading in row.metrics.items()}
    return replace(row, metrics=readings)

"""Filesystems: space and inodes of each mount, asked so that a dead one blocks nothing.

Local ones are asked together by one child, each remote one by a child of its own. A mount that does not answer keeps
its row without values, with the time since when, and is asked again in growing pauses, and never while the child
that asked before still hangs. When the children that hang are too many, only those that did answer are asked.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_desk.base.failures.pauses import longer
from mlops_desk.base.text import plain
from mlops_desk.records.host import Filesystem
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.telemetry.host.counters import KernelFile
from mlops_desk.telemetry.host.mount_probe import COMMAND, Probe, Space, wait
from mlops_desk.telemetry.host.mounts import MountedFilesystem, mounts
from mlops_desk.telemetry.metrics.table import FILESYSTEM, ReadingMaker

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

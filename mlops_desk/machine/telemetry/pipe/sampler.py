"""The agent's side of sampling: starts the collector, believes it while it is fresh, replaces it when it is not.

Whichever thread hears a frame composes what is known into a ``Sample`` and hands it on, one at a time; a thread that
hears nothing for a while looks after the rest. Data older than 3 s is withdrawn. A collector that hangs in a GPU for
3.5 s gets a successor that leaves that GPU out; while it still tells of the others it is killed only when the successor
does. A process of its own asks the GPU until it answers.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Event, Lock, RLock

from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.status import Sample
from mlops_desk.machine.telemetry import notices
from mlops_desk.machine.telemetry.pipe.child import Child, Heard
from mlops_desk.machine.telemetry.pipe.frames import Frame
from mlops_desk.machine.telemetry.pipe.hung_gpus import Asking, CollectorProcess
from mlops_desk.machine.telemetry.pipe.merge import LeftOut, identify, merge, remember, stale_host, uuid_of
from mlops_desk.machine.telemetry.pipe.supervision import CollectorVerdict, Restarts, Signs, judge
from mlops_desk.machine.telemetry.source import GpuSample, HostSample

_log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5  # half of the usual interval
_PATIENCE_SECONDS = 2.2
"""How long a frame is waited for: two of the usual intervals and a little."""
_FRESH_PROCESS_SECONDS = 60.0  # chosen: a collector that has lived for so long can work
_QUIET_SECONDS = 600.0  # chosen: the same trouble is told again after ten minutes
_SUCCESSION_SECONDS = 10.0
"""A successor that has not told of GPUs by then won't: opening the driver takes seconds on a machine with many."""
_TOLD_EVENTS = 256  # chosen: what the driver reports between two samples, a storm's too
_NOT_YET = "The NVIDIA driver has not answered yet."


StartProcess = Callable[[Sequence[str], Loop, Heard], CollectorProcess]


@dataclass(slots=True)
class _Current:
    """A collector that runs, what it was started for, and what was heard of it."""

    process: CollectorProcess
    interval: float
    skip: frozenset[int]
    signs: Signs
    without_gpus: bool = False
    hung_on: int | None = None


@dataclass(slots=True)
class _Memory:
    """What outlives a collector."""

    known: dict[str, Gpu] = field(default_factory=dict)
    gpu: GpuSample | None = None
    gpu_skip: frozenset[int] = frozenset()
    """The GPUs that whoever told of the others was not to ask."""
    host: HostSample | None = None
    gpu_heard: float | None = None
    host_heard: float | None = None
    sequence: int = 0
    driver_seconds: float = 0.0
    driver_calls: int = 0
    events: list[DeviceEvent] = field(default_factory=list)
    told: deque[DeviceEvent] = field(default_factory=lambda: deque(maxlen=_TOLD_EVENTS))


class Sampler:
    """Composes samples. ``on_sample`` gets each new one and whether it carries a tick of the host."""

    def __init__(
        self,
        loop: Loop,
        interval_seconds: Callable[[], float],
        on_sample: Callable[[Sample, bool], None],
        notify: Callable[[Notice], None],
        arguments: Sequence[str] = (),
        start_process: StartProcess = Child,
    ) -> None:
        self._loop = loop
        self._interval = interval_seconds
        self._on_sample = on_sample
        self._notify = notify
        self._arguments = tuple(arguments)
        self._start_process = start_process
        self._turn = Lock()
        self._lock = RLock()
        self._framed_at = float("-inf")
        self._memory = _Memory()
        self._current: _Current | None = None
        self._successor: _Current | None = None
        self._start_at = 0.0
        self._succeed_at = 0.0
        self._restarts = Restarts()
        self._asking = Asking(self._ask)
        self._handed_on = 0.0
        self._first = Event()
        self._told: dict[str, float] = {}

    def start(self) -> None:
        """Begin to sample."""
        self._loop.repeat("sampler", self._patience, self._look_in)

    def stop(self) -> None:
        """End the collector; whoever looks after it ends with the loop."""
        with self._lock:
            processes = [running.process for running in (self._current, self._successor) if running]
            processes += self._asking.stop()
            self._current = self._successor = None
            self._start_at = float("inf")
        for process in processes:
            process.kill()

    def wait_for_first(self, timeout_seconds: float) -> bool:
        """Wait until GPUs and host were heard of once."""
        return self._first.wait(timeout_seconds)

    def collector_pid(self) -> int | None:
        """Return the pid of the collector that runs."""
        with self._lock:
            return self._current.process.pid if self._current else None

    def driver_seconds(self) -> float:
        """Return the time spent inside the driver since the start."""
        with self._lock:
            return self._memory.driver_seconds

    def driver_calls(self) -> int:
        """Return how many calls to the driver were made since the start."""
        with self._lock:
            return self._memory.driver_calls

    def hurry(self) -> None:
        """Have the GPUs read at once, and who uses them: the sample comes between two ticks."""
        with self._lock:
            if self._current is not None:
                self._current.process.hurry()

    def trouble(self) -> str | None:
        """Say what is wrong with sampling as a whole, or None."""
        with self._lock:
            verdict = self._verdict(time.monotonic())
            if self._asking.given_up:
                return (
                    "GPUs are not read: several calls to the driver never returned. A restart of the machine is needed."
                )
            if self._memory.host is not None and not verdict.host_fresh:
                if verdict.gpu_fresh:
                    return "The numbers of the host are stale: the kernel does not answer."
                return "The process that reads GPUs and host does not answer and is being replaced."
        return None

    def listed_at(self) -> float | None:
        """Return the Unix time as of which it is known which GPUs there are and who uses them; None: it is not."""
        with self._lock:
            gpu = self._memory.gpu
            known = gpu is not None and gpu.certain and self._verdict(time.monotonic()).gpu_fresh
            return gpu.processes_at if gpu is not None and known else None

    def sample(self) -> Sample:
        """Return what is known at this moment; what is no longer fresh has no values."""
        with self._lock:
            return self._compose(time.monotonic())

    def _look_in(self) -> None:
        """See to it that something is done also when no frame comes."""
        if time.monotonic() >= self._framed_at + _PATIENCE_SECONDS:
            self._advance(None, None)

    def _patience(self) -> float:
        return max(self._framed_at + _PATIENCE_SECONDS - time.monotonic(), _TICK_SECONDS)

    def _advance(self, sender: object, frame: Frame | None) -> None:
        """Take a step, and hand on what comes of it, in whichever thread that is: one at a time."""
        with self._turn:
            now = time.monotonic()
            if frame is not None:
                self._framed_at = now
            with self._lock:
                sample, is_tick = self._step(sender, frame, now)
            if sample is not None:
                self._hand_on(sample, is_tick=is_tick)

    def _hand_on(self, sample: Sample, *, is_tick: bool) -> None:
        try:
            self._on_sample(sample, is_tick)
        except Exception:  # noqa: BLE001 - a bug in who listens is logged; it must not end the sampling
            _log.exception("A listener failed on a sample")

    def _tell(self, notice: Notice) -> None:
        """Notify, but not of the same thing again and again."""
        now = time.monotonic()
        self._told = {text: at for text, at in self._told.items() if now - at < _QUIET_SECONDS}
        if notice.level == "warning" and notice.text in self._told:
            return
        self._told[notice.text] = now
        self._notify(notice)

    def _step(self, sender: object, frame: Frame | None, now: float) -> tuple[Sample | None, bool]:
        """Take one frame in, look after the processes, and return what is to be handed on."""
        has_data = has_host = has_gpus = False
        asked = self._asking.index_of(sender)
        if self._successor is not None and sender is self._successor.process:
            self._hear_successor(frame, now)
        if asked is not None:
            self._take_answer(asked, frame, now)
        elif self._current is not None and sender is self._current.process:
            if frame is None:
                self._replace("it ended by itself", None, now)
            else:
                self._take(frame, now)
                has_data = frame.gpu is not None or frame.host is not None or bool(frame.events)
                has_host, has_gpus = frame.host is not None, frame.gpu is not None
        self._look_after(now)
        overdue = now - self._handed_on > self._interval() + 1.0
        if not (has_data or overdue):
            return None, False
        self._handed_on = now
        self._memory.sequence += 1
        events, self._memory.events = tuple(self._memory.events), []  # each is handed on once
        is_tick = has_host or overdue or (has_gpus and self._host_is_silent(now))
        return replace(self._compose(now), events=events), is_tick

    def _host_is_silent(self, now: float) -> bool:
        """Say whether the host hangs: then it gives no ticks, and the GPUs are remembered at theirs."""
        return self._memory.host is not None and not self._verdict(now).host_fresh

    def _take(self, frame: Frame, now: float) -> None:
        current, memory = self._current, self._memory
        if current is None:
            return
        signs = replace(current.signs, heard=now, busy=frame.busy)
        if frame.gpu is not None:
            gpus = identify(frame.gpu.gpus, memory.known)
            self._tell_changes(gpus)
            memory.gpu, memory.gpu_heard, memory.gpu_skip = replace(frame.gpu, gpus=gpus), now, current.skip
            memory.known = remember(gpus, memory.known)
            memory.driver_seconds += frame.gpu.driver_seconds
            memory.driver_calls += frame.gpu.driver_calls
            self._note(frame.gpu.events)
            signs = replace(signs, gpu=now)
        self._note(frame.events)
        if frame.host is not None:
            memory.host, memory.host_heard = frame.host, now
            self._note(frame.host.events)
            signs = replace(signs, host=now)
        current.signs = signs
        if memory.gpu is not None and memory.host is not None:
            self._first.set()

    def _note(self, events: tuple[DeviceEvent, ...]) -> None:
        """Keep what happened until it is handed on. A new collector may tell again what the one before it told."""
        for event in events:
            if event not in self._memory.told:
                self._memory.told.append(event)
                self._memory.events.append(event)

    def _tell_changes(self, gpus: tuple[Gpu, ...]) -> None:
        before = notices.states(self._memory.gpu.gpus) if self._memory.gpu else {}
        for notice in notices.gpu_notices(before, gpus, time.time()):
            self._tell(notice)

    def _look_after(self, now: float) -> None:
        current = self._current
        if current is None:
            if now >= self._start_at:
                self._start(now)
        else:
            self._look_at(current, now)
        self._asking.look_after(now)

    def _look_at(self, current: _Current, now: float) -> None:
        """See whether a collector must go, or is to have a successor that does things otherwise."""
        verdict = judge(current.signs, now, current.interval)
        tells_of_others = verdict.blame is not None and verdict.gpu_fresh
        if verdict.replace is not None and not tells_of_others:
            self._replace(verdict.replace, verdict.blame, now)
        elif self._wants_another(current, now):
            self._end_current(now)
            self._start(now)
        else:
            if verdict.replace is not None and verdict.blame is not None and current.hung_on is None:
                current.hung_on = verdict.blame
                self._leave_out(verdict.blame, verdict.replace, now)
            self._look_at_successor(current, now)

    def _look_at_successor(self, current: _Current, now: float) -> None:
        newest = self._successor or current
        late = self._successor is not None and now - self._successor.process.started > _SUCCESSION_SECONDS
        if late:
            self._drop_successor(now)
        elif (newest.interval, newest.skip) != (self._interval(), self._skip()) and now >= self._succeed_at:
            self._drop_successor(now)
            self._successor = self._begin(now)

    def _wants_another(self, current: _Current, now: float) -> bool:
        """Tell whether only a new process can help: with another driver, or after the last stuck one ended."""
        sample = self._memory.gpu
        is_old = now - current.process.started > _FRESH_PROCESS_SECONDS
        is_freed = current.without_gpus and not self._asking.given_up
        return is_freed or (sample is not None and sample.fresh_process and is_old)

    def _start(self, now: float) -> None:
        self._current, self._successor = self._successor or self._begin(now), None

    def _skip(self) -> frozenset[int]:
        return frozenset(self._asking.quarantine.out)

    def _drop_successor(self, now: float) -> None:
        dropped, self._successor = self._successor, None
        if dropped is not None:
            self._asking.end(dropped.process)
            self._succeed_at = now + self._restarts.pause(now - dropped.process.started)

    def _hear_successor(self, frame: Frame | None, now: float) -> None:
        """Let the successor take over with its first GPUs, before its frame is taken in."""
        successor = self._successor
        if successor is None:
            return
        if frame is None:
            self._drop_successor(now)
        elif frame.gpu is not None:
            self._end_current(now, self._current.hung_on if self._current else None)
            self._start(now)
        else:
            successor.signs = replace(successor.signs, heard=now, busy=frame.busy)
            self._note(frame.events)

    def _begin(self, now: float) -> _Current | None:
        """Start a collector. None when that is not possible at the moment; it is then tried again."""
        interval, skip = self._interval(), self._skip()
        arguments = [*self._arguments, "--interval", f"{interval:g}"]
        for index in sorted(skip):
            arguments += ["--skip", str(index)]
        without_gpus = self._asking.given_up
        if without_gpus:
            arguments.append("--no-gpus")
        try:
            process = self._start_process(arguments, self._loop, self._advance)
        except OSError as error:
            self._start_at = now + self._restarts.pause(0.0)
            self._tell(notices.no_collector_notice(error.strerror or str(error), time.time()))
            return None
        return _Current(process, interval, skip, Signs(process.started, now), without_gpus)

    def _replace(self, reason: str, blame: int | None, now: float) -> None:
        if blame is not None:
            self._leave_out(blame, reason, now)
        else:
            self._tell(notices.replaced_notice(reason, time.time()))
        ran = self._end_current(now, blame)
        self._start_at = now if blame is not None else now + self._restarts.pause(ran)
        if now >= self._start_at:
            self._start(now)

    def _end_current(self, now: float, hung_on: int | None = None) -> float:
        """Kill the collector, which may hang on a GPU; return how long it ran."""
        current, self._current = self._current, None
        if current is None:
            return 0.0
        self._asking.end(current.process, hung_on)
        return now - current.process.started

    def _take_answer(self, index: int, frame: Frame | None, now: float) -> None:
        """Hear the process that asks a GPU which hung; once it answers, it is read with the others again."""
        answer = self._asking.take(index, frame, now)
        if answer is None:
            return
        if self._memory.gpu is not None:
            others = [gpu for gpu in self._memory.gpu.gpus if gpu.index != index]
            self._memory.gpu = replace(self._memory.gpu, gpus=(*others, *answer.gpus))
        self._tell(notices.answers_again_notice(index, uuid_of(index, self._memory.known), time.time()))

    def _leave_out(self, index: int, reason: str, now: float) -> None:
        if index not in self._asking.quarantine.out:
            self._asking.quarantine.blame(index, now)
        uuid = uuid_of(index, self._memory.known)
        self._tell(notices.left_out_notice(index, uuid, reason, time.time()))

    def _ask(self, index: int) -> CollectorProcess:
        """Start a process that asks one GPU. Raises OSError."""
        return self._start_process([*self._arguments, "--only", str(index)], self._loop, self._advance)

    def _verdict(self, now: float) -> CollectorVerdict:
        """Judge the data, whichever collector it came from."""
        memory = self._memory
        interval = self._current.interval if self._current else self._interval()
        return judge(Signs(now, now, memory.gpu_heard, memory.host_heard), now, interval)

    def _compose(self, now: float) -> Sample:
        memory, verdict, wall = self._memory, self._verdict(now), time.time()
        left_out = {
            index: LeftOut(wall - (now - entry.since), wall + (entry.ask_again - now))
            for index, entry in self._asking.quarantine.out.items()
        }
        awaited = memory.gpu_skip.difference(left_out)
        gpus = merge(
            memory.gpu, fresh=verdict.gpu_fresh, known=memory.known, left_out=left_out, wall=wall, awaited=awaited
        )
        host = self._host(memory.host, fresh=verdict.host_fresh)
        note, hint = self._gpu_note(memory.gpu, fresh=verdict.gpu_fresh)
        times = [sample.at for sample in (memory.gpu, memory.host) if sample is not None]
        return Sample(
            sequence=memory.sequence,
            sampled_at=max(times, default=0.0),
            gpus=gpus,
            host=host.host,
            disks=host.disks,
            networks=host.networks,
            filesystems=host.filesystems,
            gpu_note=note,
            gpu_hint=hint,
            driver_version=memory.gpu.driver_version if memory.gpu else None,
            driver_seconds=memory.gpu.driver_seconds if memory.gpu else 0.0,
            cuda_version=memory.gpu.cuda_version if memory.gpu else None,
        )

    def _host(self, sample: HostSample | None, *, fresh: bool) -> HostSample:
        if sample is None:
            return HostSample(0.0, Host("", {}))
        return sample if fresh else stale_host(sample)

    def _gpu_note(self, sample: GpuSample | None, *, fresh: bool) -> tuple[str | None, str | None]:
        if sample is None:
            return _NOT_YET, "It is asked in the background; the rest of the program does not wait."
        if not fresh:
            text = "The NVIDIA driver does not answer; its last values are withdrawn."
            return text, Hint("sudo dmesg | grep -i nvrm")
        return sample.note, sample.hint

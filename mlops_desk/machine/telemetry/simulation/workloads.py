"""The jobs of people who come and go: who runs what on which GPUs, and how hard, at any time.

A work repeats itself in cycles: it runs for a share of each, in phases; what people ask for follows the hours of the
day (``daily``), and some nights a work rests (``rests``). Its load is linear in noise and in a rhythm whose integrals
are known, so energy and heat follow exactly from the load, without remembering anything. The machine restarts once a
week.
What a person ended (``end_run``) is the one thing that is remembered, for as long as the process lives.

Noise that follows from a seed and the time alone, and its integral, so that counters fit their rates.
"""

import hashlib
import math
import time
from dataclasses import dataclass
from functools import lru_cache

_PARTS = ((1.0, 0.5), (2.7, 0.3), (7.3, 0.2))  # chosen: waves from slow and large to quick and small
_STEPS = 10_000  # chosen: so finely their beginnings differ


def number(seed: int, name: str, below: int) -> int:
    """Return a whole number from 0 to ``below`` - 1, the same for the same seed and name."""
    return int.from_bytes(hashlib.blake2b(f"{seed}.{name}".encode(), digest_size=8).digest()) % below


@lru_cache(4096)
def _shifts(seed: int, name: str) -> tuple[float, ...]:
    return tuple(number(seed, f"{name}.{turn}", _STEPS) / _STEPS for turn, _ in _PARTS)


def wave(seed: int, name: str, at: float, period: float) -> float:
    """Return smooth noise between -1 and 1 that changes over about ``period`` seconds."""
    total = 0.0
    for (turn, weight), shift in zip(_PARTS, _shifts(seed, name), strict=True):
        total += weight * math.sin(2 * math.pi * (at * turn / period + shift))
    return total


def positive(seed: int, name: str, at: float, period: float) -> float:
    """Return smooth noise between 0 and 1."""
    return 0.5 + 0.5 * wave(seed, name, at, period)


def wave_integral(seed: int, name: str, start: float, end: float, period: float) -> float:
    """Return the integral of ``wave`` over ``start`` to ``end``."""
    total = 0.0
    for (turn, weight), shift in zip(_PARTS, _shifts(seed, name), strict=True):
        speed = 2 * math.pi * turn / period
        before = math.cos(speed * start + 2 * math.pi * shift)
        total += weight * (before - math.cos(speed * end + 2 * math.pi * shift)) / speed
    return total


GIB = float(1 << 30)
WEEK = 7 * 86_400.0
_RESTART = 4 * 86_400.0 + 4 * 3600.0  # made up: Mondays at 4 in the morning (day 0 of Unix time was a Thursday)
_LOAD_PERIOD = 17.0  # made up: a load swings within seconds
_DAY = 86_400.0
_ZONE_SECONDS = float(-time.timezone)
"""Day and night are those of the person who looks; an hour more or less in summer nobody would miss."""
_MORNING = 9 * 3600.0  # chosen: half way up to what is most, at three in the afternoon
_WEEKS_PART = 0.25  # chosen: a weekend is seen, and hides no day
_SUNDAY = 3.5 * _DAY  # the Unix epoch was a Thursday: this is the first Sunday's noon
_NIGHT = (22 * 3600.0, 6 * 3600.0)  # chosen: when a person who trains by day sleeps
_ID_DIGITS = 64  # as long as an engine's ids
_FIRST_PID, _FIRST_TICKS = 4_200_000, 1000  # above the highest pid there can be, 2^22: no real one is meant
_PIDS = 90_000  # made up: so many later than the first
_NAMES = 10_000  # chosen: no two runs within thirty days are called alike
OWN_USER = "amara"
"""Whom the simulated workstation takes whoever looks at it for."""

SERVER_GPUS = (4,)
"""Where the server of the language model works, which is the demo's endpoint of it."""
STRAGGLER_GPU = 2  # made up: the one that holds up its job
_PACE = {0: 0.68, 1: 0.68, 3: 0.68}
"""The other GPUs of the straggler's job wait for it at each step."""


@dataclass(frozen=True, slots=True)
class WorkPhase:
    """A part of a run that ends at ``until`` (of its length). ``kind``: load, train, starved, save or serve."""

    until: float
    utilization: float
    swing: float
    kind: str


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of job. ``activity`` is its SM activity of its utilisation, ``tensor`` and ``dram`` likewise.

    ``watts`` is the share of the power range it draws at full load, ``grows_gib`` how much memory it takes on in a run.
    ``daily`` is the share by which its load rises by day and falls by night, ``rests`` the share of nights without it.
    """

    name: str
    user: str
    command: str
    gpus: tuple[int, ...]
    memory_gib: float
    cycle_seconds: float
    share: float
    phases: tuple[WorkPhase, ...]
    activity: float = 0.9
    tensor: float = 0.5
    dram: float = 0.5
    watts: float = 0.9
    grows_gib: float = 0.0
    instance: int | None = None
    daily: float = 0.0
    rests: float = 0.0


def _serving(utilization: float, swing: float) -> tuple[WorkPhase, ...]:
    return (WorkPhase(1.0, utilization, swing, "serve"),)


WORKS = (
    Work("llama-70b", "maria", "python train.py --model llama-70b --tp 4 --bf16", (0, 1, 2, 3), 71.0, 1800.0, 0.8,
         (WorkPhase(0.03, 0.08, 0.04, "load"), WorkPhase(0.6, 0.95, 0.04, "train"), WorkPhase(0.62, 0.12, 0.04, "save"),
          WorkPhase(1.0, 0.95, 0.04, "train")), 0.93, 0.62, 0.55, 0.93, rests=0.25),
    Work("vllm-mistral", "jonas", "python -m vllm.entrypoints.openai.api_server --model mistral", SERVER_GPUS, 62.0,
         _DAY, 1.0, _serving(0.72, 0.05), 0.28, 0.12, 0.6, 0.5, daily=0.28),
    Work("triton", "jonas", "tritonserver --model-repository=/models", (5,), 24.0, _DAY, 1.0,
         _serving(0.3, 0.1), 0.6, 0.3, 0.35, 0.7, instance=1, daily=0.5),
    Work("finetune-lora", "wei", "python finetune.py --lora --epochs 3", (6,), 38.0, 900.0, 0.85,
         (WorkPhase(0.04, 0.06, 0.03, "load"), WorkPhase(0.35, 0.87, 0.08, "train"),
          WorkPhase(0.75, 0.22, 0.1, "starved"), WorkPhase(1.0, 0.87, 0.08, "train")), 0.85, 0.5, 0.5, 0.85,
         rests=0.35),
    Work("sweep", "amara", "python sweep.py --seed 3", (7,), 55.0, 600.0, 0.9,
         (WorkPhase(0.02, 0.1, 0.05, "load"), WorkPhase(1.0, 0.94, 0.02, "train")), 0.92, 0.55, 0.6, 0.93),
    Work("evaluate", "bo", "python evaluate.py --keep-all-outputs", (5,), 10.0, 840.0, 0.7,
         (WorkPhase(0.05, 0.05, 0.02, "load"), WorkPhase(1.0, 0.35, 0.12, "train")), 0.7, 0.3, 0.5, 0.8, 18.0,
         instance=2),
)  # fmt: skip


_ended: dict[tuple[int, str, int], float] = {}
"""When runs were ended by hand, by seed, work and turn."""


@dataclass(frozen=True, slots=True)
class WorkRun:
    """One run of a work: which of its cycles it is, and its span in Unix time; ``cut`` is when somebody ended it."""

    work: Work
    turn: int
    start: float
    end: float
    cut: float = math.inf

    @property
    def until(self) -> float:
        return min(self.end, self.cut)

    def phase(self, at: float) -> WorkPhase:
        """Return the phase at ``at``, which lies inside the run."""
        part = (at - self.start) / (self.end - self.start)
        return next((phase for phase in self.work.phases if part < phase.until), self.work.phases[-1])

    def memory_bytes(self, at: float) -> float:
        """Return the GPU memory it holds on each of its GPUs: it fills while loading, and may grow."""
        passed = at - self.start
        filled = min(1.0, 0.15 + passed / 25.0)
        return (self.work.memory_gib * filled + self.work.grows_gib * passed / (self.end - self.start)) * GIB


def booted_at(at: float) -> float:
    """Return when the machine was last started before ``at``."""
    return (at - _RESTART) // WEEK * WEEK + _RESTART


@lru_cache(64)
def _offset(seed: int, name: str, cycle: float) -> float:
    return float(number(seed, f"offset.{name}", int(cycle)))


def rhythm(at: float) -> float:
    """Return how far people are at work: from -1 at night, most so on Sunday, to 1 by day."""
    return (1 - _WEEKS_PART) * math.sin(_day_angle(at)) - _WEEKS_PART * math.sin(_week_angle(at))


def _rhythm_integral(start: float, end: float) -> float:
    days = (math.cos(_day_angle(start)) - math.cos(_day_angle(end))) * _DAY
    weeks = (math.cos(_week_angle(start)) - math.cos(_week_angle(end))) * WEEK
    return ((1 - _WEEKS_PART) * days - _WEEKS_PART * weeks) / (2 * math.pi)


def _day_angle(at: float) -> float:
    return 2 * math.pi * (at + _ZONE_SECONDS - _MORNING) / _DAY


def _week_angle(at: float) -> float:
    return 2 * math.pi * (at + _ZONE_SECONDS - _SUNDAY + WEEK / 4) / WEEK


@lru_cache(1024)
def _is_resting(seed: int, name: str, rests: float, start: float) -> bool:
    """Tell whether a run that would begin at ``start`` is left out: all of a night's are, or none."""
    evening, morning = _NIGHT
    local = start + _ZONE_SECONDS
    night = int((local - evening) // _DAY)
    return (local - evening) % _DAY < morning - evening + _DAY and number(seed, f"rests.{name}.{night}", 100) < (
        100 * rests
    )


def run_of(seed: int, work: Work, turn: int) -> WorkRun:
    """Return the run of a work in its cycle ``turn``; one that is left out ends where it begins."""
    start = turn * work.cycle_seconds - _offset(seed, work.name, work.cycle_seconds)
    cut = _ended.get((seed, work.name, turn), math.inf)
    if work.rests and _is_resting(seed, work.name, work.rests, start):
        cut = start
    return WorkRun(work, turn, start, start + work.share * work.cycle_seconds, cut)


def end_run(seed: int, pid: int, start_ticks: int, at: float) -> None:
    """End the run that a process belongs to, with its other processes: without one the others can't go on."""
    turn = start_ticks - _FIRST_TICKS
    for work in WORKS:
        run = run_of(seed, work, turn)
        if any(pid_of(seed, run, gpu) == pid for gpu in work.gpus):
            _ended.setdefault((seed, work.name, turn), at)


def ended_by_hand() -> int:
    """Return how many runs people have ended."""
    return len(_ended)


def turn_at(seed: int, work: Work, at: float) -> int:
    """Return in which of its cycles a work is."""
    return int((at + _offset(seed, work.name, work.cycle_seconds)) // work.cycle_seconds)


def running(seed: int, at: float, gpu: int | None = None) -> list[WorkRun]:
    """Return the runs that hold a GPU (or this one) at ``at``."""
    runs = [run_of(seed, work, turn_at(seed, work, at)) for work in WORKS if gpu is None or gpu in work.gpus]
    return [run for run in runs if run.start <= at < run.until]


def load(seed: int, run: WorkRun, gpu: int, at: float) -> float:
    """Return how busy a run keeps one of its GPUs."""
    phase = run.phase(at)
    usual = phase.utilization * (1 + run.work.daily * rhythm(at)) if run.work.daily else phase.utilization
    busy = usual + phase.swing * wave(seed, f"gpu{gpu}", at, _LOAD_PERIOD)
    return busy * _PACE.get(gpu, 1.0)


def busy_seconds(seed: int, work: Work, gpu: int, at: float) -> float:
    """Return the integral of a work's load on a GPU since the machine was started."""
    start = booted_at(at)
    turn = turn_at(seed, work, at)
    whole = _busy_before(seed, work, gpu, start, turn)
    return whole + _busy_within(seed, run_of(seed, work, turn), gpu, start, at)


@lru_cache(64)
def _sums(seed: int, work: Work, gpu: int, start: float) -> list[float]:
    """Return the sums at the ends of the cycles since ``start``; whoever needs more appends them in order."""
    del seed, work, gpu, start
    return [0.0]


def _busy_before(seed: int, work: Work, gpu: int, start: float, turn: int) -> float:
    first = turn_at(seed, work, start)
    sums = _sums(seed, work, gpu, start)
    for cycle in range(first + len(sums) - 1, turn):
        run = run_of(seed, work, cycle)
        sums.append(sums[-1] + _busy_within(seed, run, gpu, start, run.end))
    return sums[turn - first]


def _busy_within(seed: int, run: WorkRun, gpu: int, start: float, end: float) -> float:
    total, begin = 0.0, run.start
    for phase in run.work.phases:
        finish = run.start + phase.until * (run.end - run.start)
        low, high = max(begin, start), min(finish, end, run.until)
        if high > low:
            noise = wave_integral(seed, f"gpu{gpu}", low, high, _LOAD_PERIOD)
            usual = high - low + (run.work.daily * _rhythm_integral(low, high) if run.work.daily else 0.0)
            total += (phase.utilization * usual + phase.swing * noise) * _PACE.get(gpu, 1.0)
        begin = finish
    return total


def pid_of(seed: int, run: WorkRun, gpu: int) -> int:
    """Return the pid of a run's process on a GPU; beyond what a kernel gives out, so that it is nobody's."""
    return _FIRST_PID + number(seed, f"pid.{run.work.name}.{run.turn}.{gpu}", _PIDS)


def ticks_of(run: WorkRun) -> int:
    """Return when a run's processes began, as the kernel would count it."""
    return _FIRST_TICKS + run.turn


def container_id(run: WorkRun) -> str:
    """Return the id of a run's container: nothing but its name in hexadecimal digits."""
    return f"{run.work.name}-{run.turn % _NAMES}".encode().hex().ljust(_ID_DIGITS, "0")


def container_name(container_id: str) -> str | None:
    """Return the name of a simulated container."""
    try:
        return bytes.fromhex(container_id).rstrip(b"\0").decode("ascii")
    except ValueError:
        return None

"""Lives of jobs, made up minute by minute: what a look at each would see. Healthy ones, and sick ones."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlops_desk.jobs.stall_detection.watchdog import JobLook

BEGUN = 1_700_000_000.0


@dataclass(frozen=True)
class Phase:
    """Some minutes that are alike. ``prints`` and ``moves``: in which share of the minutes; of ``losses`` how many a minute.

    ``gpu`` is a ratio (None: not known), ``watts`` for all GPUs, ``cpus`` cores (None: not known).
    """

    minutes: int
    prints: float = 1.0
    moves: float = 1.0
    gpu: float | None = 0.9
    watts: float | None = 600.0
    cpus: float | None = 1.5
    losses: int = 0
    through: bool = False


def looks(phases: list[Phase], chance: random.Random, gpus: int = 2) -> Iterator[JobLook]:
    """Yield a look at each minute."""
    minute, written, moved, broken = 0, 0, 0.0, 0
    for phase in phases:
        for _ in range(phase.minutes):
            written += chance.random() < phase.prints
            moved += chance.random() < phase.moves
            broken = broken + phase.losses if phase.losses else 0
            yield JobLook(
                now=60.0 * minute,
                at=BEGUN + 60.0 * minute,
                written=written,
                moved=moved,
                where="epoch 3/10",
                through=phase.through,
                losses_broken=broken,
                loss_word="nan" if broken else "",
                cpus=_about(phase.cpus, chance),
                gpus=gpus,
                gpu_utilization=_about(phase.gpu, chance, 1.0) if gpus else None,
                gpu_watts=_about(phase.watts, chance) if gpus else None,
            )
            minute += 1


def _about(value: float | None, chance: random.Random, most: float = 1e9) -> float | None:
    return None if value is None else min(most, value * chance.uniform(0.85, 1.15))


FLAT = {"gpu": 0.001, "watts": 120.0}


def healthy(number: int) -> tuple[str, list[Phase], int]:
    """Return a name, the phases and how many GPUs the ``number``-th healthy job has."""
    chance = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    return kind.__name__, *kind(chance)


def _hours(chance, least, most):
    return 60 * chance.randint(least, most)


def with_long_validations(chance):
    validation = Phase(chance.randint(20, 70), prints=0.0, moves=0.0, gpu=0.6, cpus=1.2)
    return [Phase(90), validation, Phase(90), validation, Phase(90)], 2


def with_validations_on_the_processors(chance):
    validation = Phase(chance.randint(20, 60), prints=0.0, moves=0.0, **FLAT, cpus=chance.uniform(0.9, 8))
    return [Phase(60), validation, Phase(60), validation, Phase(60)], 1


def with_hourly_checkpoints(chance):
    checkpoint = Phase(chance.randint(1, 9), prints=0.0, moves=0.0, **FLAT, cpus=chance.choice([0.02, 0.3, 1.0]))
    return [Phase(60), checkpoint] * 5, 8


def quiet(chance):
    return [Phase(_hours(chance, 3, 10), prints=0.0, moves=0.0)], 4


def quiet_on_the_processors(chance):
    return [Phase(_hours(chance, 3, 10), prints=0.0, moves=0.0, cpus=chance.uniform(0.5, 16))], 0


def in_bursts(chance):
    burst, pause = Phase(2), Phase(chance.randint(10, 40), prints=0.0, moves=0.0, gpu=0.7)
    return [burst, pause] * 8, 1


def compiling_at_its_start(chance):
    return [Phase(chance.randint(20, 90), prints=0.1, moves=0.0, **FLAT, cpus=1.0), Phase(200)], 1


def downloading_at_its_start(chance):
    return [Phase(chance.randint(20, 120), prints=0.05, moves=0.0, **FLAT, cpus=0.2), Phase(200)], 2


def waiting_for_its_data_at_its_start(chance):
    return [Phase(chance.randint(20, 120), prints=0.02, moves=0.0, **FLAT, cpus=0.01), Phase(120)], 2


def with_slow_data(chance):
    slow = Phase(chance.randint(3, 12), prints=0.05, moves=0.05, **FLAT, cpus=0.02)
    return [Phase(chance.randint(20, 60)), slow] * 5, 2


def starved_by_its_loader(chance):
    return [Phase(_hours(chance, 2, 6), prints=0.5, moves=0.4, gpu=0.03, watts=150.0, cpus=0.6)], 1


def that_retries(chance):
    retry = Phase(chance.randint(5, 12), prints=1.0, moves=0.0, **FLAT, cpus=0.01)
    return [Phase(60), retry, Phase(60), retry, Phase(60)], 1


def with_a_few_losses_that_are_none(chance):
    skipped = Phase(chance.randint(1, 3), losses=chance.randint(1, 4))
    return [skipped, Phase(60), skipped, Phase(90)], 1


def sending_results_at_its_end(chance):
    sending = Phase(
        chance.randint(10, 45), prints=0.0, moves=0.0, **FLAT, cpus=chance.choice([0.01, 0.4]), through=True
    )
    return [Phase(120), sending], 2


def growing_slower(chance):
    return [Phase(60, moves=share, prints=share) for share in (1.0, 0.5, 0.25, 0.2, 0.15)], 2


def of_which_nothing_is_known(chance):
    pause = Phase(chance.randint(10, 45), prints=0.0, moves=0.0, gpu=None, watts=None, cpus=None)
    return [Phase(60, gpu=None, watts=None, cpus=None), pause, Phase(60, gpu=None, watts=None, cpus=None)], 2


def whose_power_falls_with_smaller_batches(chance):
    return [Phase(90), Phase(90, gpu=0.9, watts=chance.uniform(200, 400))], 2


def with_a_short_gap_of_telemetry(chance):
    gap = Phase(chance.randint(5, 60), gpu=None, watts=None, cpus=None)
    return [Phase(60), gap, Phase(60)], 2


def that_prints_only_at_each_epoch(chance):
    epoch = [Phase(1), Phase(chance.randint(15, 50), prints=0.0, moves=0.0)]
    return epoch * 7, 1


def on_the_processors_with_pauses(chance):
    pause = Phase(chance.randint(2, 12), prints=0.0, moves=0.0, cpus=0.01)
    return [Phase(50, cpus=8.0), pause] * 4, 0


KINDS = [value for name, value in list(globals().items()) if callable(value) and getattr(value, "__module__", "") == __name__
         and name not in {"Phase", "looks", "healthy"} and not name.startswith("_")]  # fmt: skip


HUNG = Phase(90, prints=0.0, moves=0.0, **FLAT, cpus=0.005)
"""Nothing goes on for an hour and a half."""

SICK: dict[str, tuple[list[Phase], int]] = {
    "hangs in its loader": ([Phase(60), HUNG], 2),
    "hangs after an hour of an epoch a minute": ([Phase(60, moves=0.5), HUNG], 1),
    "hangs after a validation": ([Phase(60), Phase(25, prints=0.0, moves=0.0, gpu=0.5), Phase(30), HUNG], 1),
    "hangs early": ([Phase(8), HUNG], 1),
    "hangs, and one process prints that it waits": ([Phase(60), replace(HUNG, prints=1.0)], 2),
    "hangs, of the processors nothing is known": ([Phase(60), replace(HUNG, minutes=200, cpus=None)], 2),
    "hangs on the processors": ([Phase(60, cpus=4.0), HUNG], 0),
    "hangs on the processors, by its progress alone": ([Phase(60, cpus=4.0), replace(HUNG, prints=1.0)], 0),
    "hangs, of its GPUs nothing is known": (
        [Phase(60, gpu=None, watts=None), replace(HUNG, minutes=200, gpu=None, watts=None)], 2
    ),
    "a rank is gone: the others poll": ([Phase(60), replace(HUNG, gpu=1.0, watts=200.0, cpus=8.0)], 4),
    "a rank is gone, one thread prints": ([Phase(60), replace(HUNG, gpu=1.0, watts=210.0, cpus=8.0, prints=1.0)], 4),
    "quiet, and at rest since": ([Phase(60, prints=0.0, moves=0.0), HUNG], 1),
    "its loss is gone": ([Phase(60), Phase(10, losses=30)], 1),
    "its loss is gone, told seldom": ([Phase(60), Phase(60, losses=1)], 1),
    "its loss is gone from the start": ([Phase(5, losses=100)], 0),
    "hangs while it is through by its bar": ([Phase(60), replace(HUNG, minutes=300, through=True)], 1),
}  # fmt: skip

"""How a rule stands for one thing: what is stored of it, so that a restart neither loses nor doubles a firing."""

from dataclasses import dataclass

from mlops_desk.kit.base.hysteresis import Holding


@dataclass(frozen=True, slots=True)
class RuleClock:
    """This moment: Unix seconds, and seconds since the boot named, sleep included, which nobody sets."""

    wall: float
    uptime_seconds: float
    boot: str


@dataclass(frozen=True, slots=True)
class RuleStanding:
    """``parts`` has the state of each lasting part, ``whole`` that of all of it together.

    ``due``: it began to hold and has not fired for that yet. ``pending`` are the moments (by their place among the
    parts) that came and wait for a firing. ``fired`` counts the firings, ``fired_at`` is when the last one was.
    ``grown`` is by how much the counters had grown that parts hold by (0 for all others), to go on over a restart.
    """

    parts: tuple[Holding, ...]
    whole: Holding = Holding()  # noqa: RUF009 - it is frozen
    due: bool = False
    pending: tuple[int, ...] = ()
    fired: int = 0
    fired_at: RuleClock | None = None
    grown: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleFiring:
    """A rule fires for a ``subject`` ("" where it is of one thing only); ``number`` counts from 1, ``at`` is Unix time.

    ``id`` is the same whenever the same firing is told again: whoever acts on it does so once. ``cause`` is the place
    of the part that made the difference: the last that came to hold, or a moment; None where nobody knows.
    """

    rule: str
    subject: str
    number: int
    at: float
    cause: int | None = None

    @property
    def id(self) -> str:
        return f"{self.rule}/{self.number}/{self.subject}"

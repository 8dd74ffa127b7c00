"""A learning curve: how a model scores by how many rows it learns from, and what more rows would bring."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.automation.records.pipelines.comparison import Scored
from mlops_desk.kit.records.owner import Owner

LEAST_SIZES = 4
"""How many numbers of rows a curve needs: a law of three parameters goes through any three points."""


class CurveState(StrEnum):
    """``DONE``: all that could be trained is scored, and the fit says what follows, or that too little is known."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing goes on."""
        return self is not CurveState.RUNNING


class PointState(StrEnum):
    """``LEFT``: not trained, for the GPU-hours were spent or the curve was ended."""

    WAITING = "waiting"
    TRAINING = "training"
    SCORED = "scored"
    FAILED = "failed"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One training on a ``share`` (0-1) of the rows; repeats learn from other rows. ``value`` is on the fixed rows."""

    share: float
    repeat: int
    rows: int
    state: PointState = PointState.WAITING
    job_id: str | None = None
    value: Scored | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class CurveFit:
    """A power law through the points: error = ``floor`` + ``scale`` * rows ** -``exponent``.

    ``now`` is the metric at all rows, ``doubled`` at twice as many, ``gain`` by how much it would be better (with 95 %
    intervals). ``is_known``: there are points enough to say so; ``sentence`` says it, or what lacks.
    """

    is_known: bool
    sentence: str
    floor: float | None = None
    scale: float | None = None
    exponent: float | None = None
    now: Scored | None = None
    doubled: Scored | None = None
    gain: Scored | None = None


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The trainings of one version's own recipe on growing shares of its rows.

    ``job`` is the one that trained the version; ``target`` is the file that it learned from as it sees it, ``source``
    where that lies, ``test`` the file of the fixed rows. ``gpu_hours`` is what its jobs may take, ``spent`` what they
    took. ``run_id`` has the report.
    """

    id: str
    model: str
    version: str
    metric: str
    higher_is_better: bool
    state: CurveState
    points: tuple[CurvePoint, ...]
    rows: int
    job: str
    target: str
    source: str
    test: str
    label: str | None = None
    positive: str | None = None
    seed: int = 0
    gpu_hours: float = 4.0
    spent: float = 0.0
    fit: CurveFit | None = None
    run_id: str | None = None
    text: str | None = None
    hint: str | None = None
    created_at: float = 0.0
    created_by: int | None = None
    ended_at: float | None = None
    revision: int = 0

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)

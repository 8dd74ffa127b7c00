"""What a pipeline's step found: kept in its record, so that whoever asks later sees on what it rests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.automation.records.pipelines.comparison import ModelEvaluation
from mlops_desk.automation.records.pipelines.synthetic import SyntheticData


@dataclass(frozen=True, slots=True)
class DataManifest:
    """The data of one run, file by file, hashed: ``sha256`` is of the sorted list of (target, path, size, SHA-256).

    The list itself is kept beside the database; ``targets`` are the mount targets that it is of. ``by_target`` hashes
    the list of each by itself, without its name: so is a data set of the catalogue hashed.
    """

    sha256: str
    files: int
    size_bytes: int
    targets: tuple[str, ...] = ()
    by_target: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataCheck:
    """One look at the new data beside what the champion was trained on. ``passed`` None: it could not be told.

    ``kind`` is schema, type, missing, range, category or rows; ``value`` and ``limit`` are shares of rows (0-1).
    """

    kind: str
    passed: bool | None
    text: str
    column: str | None = None
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a challenger may pass, by one rule: metric, slice, size or latency. ``passed`` None: it was not asked.

    Of made rows the rules are quality, copies and protection.

    ``limit`` is what ``value`` is held against, in the unit that ``text`` says.
    """

    gate: str
    passed: bool | None
    text: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class EndpointMove:
    """What a pipeline does to an endpoint of its model.

    ``follows``: it goes with the alias, so it moves; others are only named. ``state`` is waiting, shadow, canary, live,
    rolled_back, failed or left (as it is). ``is_unknown``: nothing was answered that tells whether its shadow holds.
    """

    name: str
    follows: bool
    state: str
    version: str | None = None
    revision: int | None = None
    text: str = ""
    is_unknown: bool = False


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """``text`` says it in a sentence; what else is there depends on the step. ``same_as``: the run that trained it."""

    text: str = ""
    hint: str | None = None
    manifest: DataManifest | None = None
    checks: tuple[DataCheck, ...] = ()
    job_id: str | None = None
    version: str | None = None
    same_as: str | None = None
    evaluation: ModelEvaluation | None = None
    gates: tuple[GateResult, ...] = ()
    endpoints: tuple[EndpointMove, ...] = field(default_factory=tuple)
    synthetic: SyntheticData | None = None

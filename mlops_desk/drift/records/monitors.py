"""A monitor: what is compared with what, how often; how it stands; and each of its windows as it was judged.

What the answers of a monitor are held against, and how that stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.drift.records.answers import AnswerColumns, AnswersStanding
from mlops_desk.drift.records.importance import ComputedImportance
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.records.segments import SegmentDrift
from mlops_desk.drift.records.sources import Reference, Source
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base.errors import keep_command
from mlops_desk.kit.records.owner import Owner


@dataclass(frozen=True, slots=True)
class HeldAnswers:
    """The columns of a monitor's reference that are answers, those derived of them among them.

    ``is_logged``: they are in the data that were logged with the model; else they are pinned: ``n_rows`` answers of its
    own log, from ``start`` to ``end`` (Unix times), the first quiet windows.
    """

    columns: tuple[str, ...]
    is_logged: bool = True
    start: float | None = None
    end: float | None = None
    n_rows: int | None = None


class PredictionsState(StrEnum):
    """``WATCHED``: judged like any column. ``WAITING``: for enough quiet windows. ``UNKNOWN``: they can't be judged."""

    WATCHED = "watched"
    WAITING = "waiting"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PredictionsStanding:
    """How what the model answers is judged, in a sentence. ``held`` is None until there is something to hold it by.

    While it waits ``n_quiet`` rows of ``n_needed`` are in quiet windows, one after the other. ``trouble`` says why
    answers can't be judged, ``hint`` what to do, with its ``command``.
    """

    state: PredictionsState
    sentence: str = ""
    held: HeldAnswers | None = None
    n_quiet: int | None = None
    n_needed: int | None = None
    trouble: str | None = None
    hint: str | None = None
    command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class WindowRule:
    """How a source is cut: after so many rows, or so many seconds; exactly one of both is given."""

    rows: int | None = 1000
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Monitor:
    """What is watched. ``name`` is unique; ``endpoint`` or ``model`` (``name/version``) is what it is about.

    ``columns`` are the only ones compared (all where empty), ``suppressed`` gives those that are not with the reason,
    ``renamed`` gives columns of the source the reference's names, ``real_values`` the words like NA that are values of
    a column and don't say that one is missing. A monitor turns when ``needed`` of its newest ``of``
    windows alarm. ``segment`` is a column whose values are judged apart, ``importance`` weighs columns; ``computed``
    tells how the desk found those weights in the model, where no person has given any since. ``answers`` names the
    columns by which answers are scored once labels have come, ``answers_reference`` labelled answers to hold them
    against, where the monitor's own reference has none. ``held_answers`` are the answers that windows are held
    against, once there are some. ``reference_found`` tells where the reference was found of a data set that was logged
    without a readable source. ``level`` is that of its alert. What its log has from before ``begun_at`` (Unix time)
    is no news to it: it was judged before the store of windows was lost. One that ``is_proposed`` was made by the desk,
    not by a person; ``is_refused``: somebody has removed it, and it is not proposed again while its endpoint stays.
    ``created_by`` is a uid.
    """

    id: str
    name: str
    source: Source
    reference: Reference = field(default_factory=Reference)
    endpoint: str | None = None
    model: str | None = None
    window: WindowRule = field(default_factory=WindowRule)
    check_seconds: float = 60.0
    columns: tuple[str, ...] = ()
    suppressed: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    real_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    predictions: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    needed: int = 2
    of: int = 3
    level: str = "alert"
    segment: str | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    computed: ComputedImportance | None = None
    answers: AnswerColumns | None = None
    answers_reference: Reference | None = None
    held_answers: HeldAnswers | None = None
    reference_found: str | None = None
    is_paused: bool = False
    is_proposed: bool = False
    is_refused: bool = False
    created_by: int | None = None
    created_at: float | None = None
    begun_at: float | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.created_by)


class MonitorState(StrEnum):
    """``WAITING``: nothing to judge yet. ``UNKNOWN``: it could not be judged, ``trouble`` says why."""

    WAITING = "waiting"
    FINE = "fine"
    TURNED = "turned"
    PAUSED = "paused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MonitorStanding:
    """A monitor and how it stands. Times are Unix times.

    ``since`` gives each drifted column the start of the first window of its unbroken run of alarms, ``turned_at`` is
    that of the monitor. ``pending_rows`` are those that wait for their window to be full. Of all rows since it began
    ``n_late`` came too late for their window and ``n_rejected`` were no rows (None: not known); ``notes`` say more.
    ``strip`` are the verdicts of the newest windows, oldest first. ``command`` is the one in the hint. ``answers``
    tells how good its answers are, where labels are watched: ``state`` is turned where either has. ``predictions``
    tells how the answers themselves are judged, as columns like any other; None where its source has none. ``segments``
    tells of the newest window how each segment stands, since when, and which of its columns have drifted.
    """

    monitor: Monitor
    state: MonitorState
    verdict: Verdict | None = None
    turned_at: float | None = None
    since: Mapping[str, float] = field(default_factory=dict)
    n_columns: int | None = None
    n_drifted: int | None = None
    newest_window_end: float | None = None
    checked_at: float | None = None
    next_check_at: float | None = None
    pending_rows: int | None = None
    n_late: int | None = None
    n_rejected: int | None = None
    notes: tuple[str, ...] = ()
    trouble: str | None = None
    hint: str | None = None
    sentence: str = ""
    alert_id: str | None = None
    strip: tuple[Verdict, ...] = ()
    command: str | None = None
    answers: AnswersStanding | None = None
    predictions: PredictionsStanding | None = None
    segments: SegmentDrift | None = None

    def __post_init__(self) -> None:
        keep_command(self)

    @property
    def owner(self) -> Owner:
        return self.monitor.owner


@dataclass(frozen=True, slots=True)
class DriftWatch:
    """What the alerts are told of a monitor. ``is_turned`` None: nobody can tell, so that nothing begins or ends.

    ``is_broken``: all that alarms is the quality of values. ``are_answers``: all that alarms is how good the answers
    are, by labels. ``text`` says what moved, since when and how sure that is,
    ``hint`` leads to the rows. ``user`` is the account whose monitor it is.
    """

    name: str
    is_turned: bool | None
    is_broken: bool = False
    are_answers: bool = False
    level: str = "alert"
    text: str = ""
    hint: str | None = None
    user: str | None = None
    command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class ColumnScore:
    """One column in one window: ``score`` is the deciding measure's value, ``limit`` where that begins to alarm.

    ``before`` and ``now`` say what moved, in the reference and in the window: the median of numbers (of moments as
    Unix time), else the share of what ``label`` names: the value whose share changed most, or what is wrong with the
    values (``missing``, ``unseen`` …), where that decided; then ``of_quality`` is True.
    """

    verdict: Verdict
    score: float | None = None
    measure: str | None = None
    limit: float | None = None
    p_adjusted: float | None = None
    missing_ratio: float | None = None
    before: float | None = None
    now: float | None = None
    label: str | None = None
    of_quality: bool = False


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """One window as it was judged: an entry of ``drift history``. ``report_id`` leads to the report in full.

    ``alarm`` is the monitor's answer after it. ``reference_id`` is the digest of the profile it was held against;
    with the stored window of the same span, and ``options`` as they were then, it can be judged again. ``quality``
    are the sentences of the report's alarms about the table as a whole. ``number`` counts a monitor's windows in the
    order in which they came, whatever clocks said. ``since`` and ``turned_at`` are those of the standing after it.
    ``segments`` tells how the rows of each value of the monitor's segment column stand; ``alarm`` and ``turned_at`` are
    then those of the whole and of the segments together, ``of_whole`` tells whether the whole is turned.
    """

    id: str
    monitor: str
    window_start: float
    window_end: float
    n_rows: int
    verdict: Verdict
    alarm: bool
    columns: Mapping[str, ColumnScore]
    drifted_ratio: float | None = None
    model: str | None = None
    reference_id: str | None = None
    report_id: str | None = None
    created_at: float | None = None
    options: DriftOptions | None = None
    quality: tuple[str, ...] = ()
    number: int = 0
    stored_id: int | None = None
    since: Mapping[str, float] = field(default_factory=dict)
    turned_at: float | None = None
    segments: SegmentDrift | None = None
    of_whole: bool | None = None
    whole_turned_at: float | None = None

    @property
    def is_whole_on(self) -> bool:
        """Whether the monitor is turned by the rows as a whole after this window."""
        return self.alarm if self.of_whole is None else self.of_whole

    @property
    def is_bad(self) -> bool:
        """Whether this window alone alarms: as a whole, or in a segment."""
        segments = () if self.segments is None else self.segments.segments
        return self.verdict.is_alarm or any(one.verdict.is_alarm for one in segments)

    @property
    def worst(self) -> Verdict:
        """The verdict, or that of a segment which alarms where the whole does not."""
        segments = () if self.segments is None or self.verdict.is_alarm else self.segments.segments
        bad = [one.verdict for one in segments if one.verdict.is_alarm]
        return self.verdict if not bad else Verdict.CRITICAL if Verdict.CRITICAL in bad else Verdict.DRIFT


@dataclass(frozen=True, slots=True)
class ColumnWindow:
    """One column in one window, for its charts over time.

    ``quantiles`` are those at ``QUANTILES`` of numbers or moments; ``shares`` those of categories (the rest is what
    lacks to 1), both of the usable values.
    """

    window_start: float
    window_end: float
    n_rows: int
    missing_ratio: float | None
    quantiles: tuple[float, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None
    verdict: Verdict | None = None


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The lines of a ribbon: half of the values within the inner two, nine of ten within the outer two."""


@dataclass(frozen=True, slots=True)
class ColumnStory:
    """One column of a monitor: the reference, and each window. ``limit`` is that of the deciding ``measure``."""

    monitor: str
    column: str
    kind: str
    reference: ColumnWindow | None
    windows: tuple[ColumnWindow, ...]
    measure: str | None = None
    limit: float | None = None

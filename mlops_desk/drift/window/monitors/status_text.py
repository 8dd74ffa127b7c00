"""How a monitor stands, in words and cells. No Qt here."""

from collections.abc import Mapping

from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState, Rule
from mlops_desk.drift.records.answers import AnswersState
from mlops_desk.drift.records.importance_words import how
from mlops_desk.drift.records.monitors import Monitor, MonitorStanding, MonitorState, PredictionsStanding
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.drift.window import cell_text
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.widgets.facts import Fact, moment_fact
from mlops_desk.kit.window.words import marks, numbers

_TEXT = 600  # chosen: a paragraph
_STRIP = 12  # chosen: as many windows as one still counts
_ORDER = {
    MonitorState.TURNED: 4,
    MonitorState.UNKNOWN: 3,
    MonitorState.FINE: 2,
    MonitorState.WAITING: 1,
    MonitorState.PAUSED: 0,
}
_SOURCES = {
    SourceKind.LOG: "requests of {}",
    SourceKind.FILE: "file {}",
    SourceKind.SQL: "database {}",
    SourceKind.MLFLOW: "data set of run {}",
}
REFERENCES = {
    ReferenceKind.TRAINING: "training data of the version",
    ReferenceKind.VALIDATION: "validation data of the version",
    ReferenceKind.PINNED: "earlier rows of this source",
    ReferenceKind.PREVIOUS: "the window before",
    ReferenceKind.FILE: "a file",
    ReferenceKind.LIVE: "the first live rows",
}


def subject(monitor: Monitor) -> str:
    """Return what a monitor is about."""
    return plain(monitor.endpoint or monitor.model or monitor.source.place)


def headline(standing: MonitorStanding) -> tuple[str, str]:
    """Return the verdict as a sentence, and what it rests on or what to do."""
    monitor = standing.monitor
    if standing.state is MonitorState.UNKNOWN:
        why = f"{standing.trouble or ''} {standing.hint or ''}".strip()
        return "Not known", why or "It could not be judged."
    if standing.state is MonitorState.PAUSED:
        return "Paused", "It judges nothing until it is resumed. What was judged before is below."
    if standing.state is MonitorState.WAITING:
        why = standing.sentence or f"Nothing came from {source(monitor.source)} yet."
        told = f" {standing.pending_rows:,} rows wait for their window to be full." if standing.pending_rows else ""
        return "Waiting", f"{why}{told}"
    return _title(standing), standing.sentence or _counted(standing)


def _title(standing: MonitorStanding) -> str:
    """Return what has turned: the data, the answers, or both."""
    if standing.state is not MonitorState.TURNED:
        return "No drift"
    is_worse = standing.answers is not None and standing.answers.state is AnswersState.TURNED
    inside = [] if standing.segments is None else [one for one in standing.segments.segments if one.alarm]
    if is_worse and not standing.since and not inside:
        return "The answers are worse"
    if inside and not standing.since:
        return "A segment has drifted, answers are worse" if is_worse else "A segment has drifted"
    return "The data has drifted, answers are worse" if is_worse else "The data has drifted"


def _counted(standing: MonitorStanding) -> str:
    if standing.n_columns is None:
        return ""
    return f"{standing.n_drifted or 0} of {numbers.count(standing.n_columns, 'column')} drifted."


def source(one: Source) -> str:
    """Return where the data of a monitor come from."""
    return _SOURCES[one.kind].format(plain(one.place))


def reference(one: Reference) -> str:
    """Return what windows are held against."""
    told = REFERENCES[one.kind]
    if one.path:
        return f"{told}: {plain(one.path)}"
    if one.start is not None and one.end is not None:
        return f"{told}: {numbers.day_and_clock(one.start)} – {numbers.day_and_clock(one.end)}"
    return told


def window_told(monitor: Monitor) -> str:
    """Return how the source is cut, and when a monitor turns."""
    rule = monitor.window
    size = numbers.count(rule.rows, "row") if rule.rows is not None else numbers.duration(rule.seconds)
    return f"{size} a window; turns when {monitor.needed} of {monitor.of} alarm"


def facts(standing: MonitorStanding) -> list[Fact]:
    """Return all that was set up of a monitor, and when it looked last."""
    monitor = standing.monitor
    found = [
        Fact("About", subject(monitor)),
        Fact("Source", source(monitor.source)),
        Fact("Reference", reference(monitor.reference)),
        *([Fact("Found as", plain(monitor.reference_found))] if monitor.reference_found else []),
        Fact("Windows", window_told(monitor)),
        Fact("Level", monitor.level),
        Fact("Columns", ", ".join(map(plain, monitor.columns)) or "all of the reference"),
    ]
    found += [Fact(f"Not {plain(name)}", plain(why)) for name, why in monitor.suppressed.items()]
    found += [Fact(f"{plain(theirs)} is", plain(ours)) for theirs, ours in monitor.renamed.items()]
    if standing.predictions is not None:
        found.append(Fact("Predictions", plain(predictions(standing.predictions), _TEXT)))
    if monitor.segment:
        found.append(Fact("Judged apart by", plain(monitor.segment)))
    if monitor.answers is not None:
        found.append(Fact("Answers scored by", plain(monitor.answers.label)))
    if monitor.computed is not None:
        found.append(Fact("Importance", how(monitor.computed, monitor.model)))
    made = "the desk" if monitor.is_proposed else _person(monitor.created_by)
    found += [
        moment_fact("Looked", standing.checked_at),
        moment_fact("Newest window", standing.newest_window_end),
        Fact("Made by", made),
    ]
    return found


def predictions(one: PredictionsStanding) -> str:
    """Return how what the model answers is judged, with what to do where it is not yet."""
    return f"{one.sentence} {one.hint}" if one.hint else one.sentence


def _person(uid: int | None) -> str:
    return numbers.NOTHING if uid is None else f"user {uid}"


def retraining_told(
    endpoint: str | None, rules: Mapping[str, Rule], retrainings: Mapping[str, Retraining]
) -> tuple[str, str | None] | None:
    """Return what is said of retraining under the verdict, and the retraining that waits; None: no rule is about it."""
    mine = {name for name, rule in rules.items() if endpoint is not None and rule.endpoint == endpoint}
    found = sorted((one for one in retrainings.values() if one.rule in mine), key=lambda one: -(one.created_at or 0.0))
    waiting = next((one for one in found if one.state is RetrainState.WAITING_FOR_APPROVAL), None)
    if waiting is not None:
        old, new = (numbers.number(value, 4) for value in (waiting.champion_value, waiting.challenger_value))
        return f"Version {plain(waiting.challenger_version or '?')} waits: {new} against {old}", waiting.id
    if found:
        word = marks.retrain_mark(found[0]).word
        return f"Retraining by {plain(found[0].rule)}: {word}, {numbers.ago(found[0].created_at)}", None
    return (f"Retrains by {plain(min(mine))} when it drifts", None) if mine else None


# Cells.


def _state_cell(standing: MonitorStanding) -> Cell:
    mark = marks.monitor_mark(standing)
    tip = f"{standing.trouble} {standing.hint or ''}".strip() if standing.trouble else standing.sentence
    return Cell(mark.text, _ORDER[standing.state], mark.token, tip)


def _strip_cell(standing: MonitorStanding) -> Cell:
    shown = standing.strip[-_STRIP:]
    text = "".join(marks.VERDICT_MARKS[one].shape for one in shown)
    words = ", ".join(marks.VERDICT_MARKS[one].word for one in shown)
    # One colour for all, and none of theirs: a good window would stand there in that of a bad one.
    return Cell(text or numbers.NOTHING, sum(one.is_alarm for one in shown), "muted",
                f"The newest windows, oldest first: {words}" if words else "No window was judged yet")  # fmt: skip


def _since_cell(standing: MonitorStanding) -> Cell:
    at = standing.turned_at
    if at is None:
        return Cell(numbers.NOTHING, 0.0)
    return Cell(cell_text.since(at, agent_clock.now()).removeprefix("since "), at, tip=numbers.absolute(at))


def _drifted_cell(standing: MonitorStanding) -> Cell:
    if standing.n_columns is None:
        return Cell(numbers.NOTHING, -1)
    names = ", ".join(plain(name) for name in list(standing.since)[:10])
    return Cell(f"{standing.n_drifted or 0}/{standing.n_columns}", standing.n_drifted or 0, tip=names)


def _next_cell(standing: MonitorStanding) -> Cell:
    at = standing.next_check_at
    if at is None or standing.state is MonitorState.PAUSED:
        return Cell(numbers.NOTHING, float("inf"))
    left = at - agent_clock.now()
    return Cell("now" if left < 1 else f"in {numbers.duration(left)}", at, tip=numbers.absolute(at))


COLUMNS: tuple[Column[MonitorStanding], ...] = (
    Column("name", "Monitor", lambda one: Cell(plain(one.monitor.name), tip=one.monitor.name), stretch=True),
    Column("state", "State", _state_cell),
    Column("subject", "About", lambda one: Cell(subject(one.monitor), tip=source(one.monitor.source))),
    Column("strip", "Newest windows", _strip_cell),
    Column("since", "Since", _since_cell, right=True),
    Column("drifted", "Drifted", _drifted_cell, right=True),
    Column("next", "Next check", _next_cell, right=True, spare=True),
)

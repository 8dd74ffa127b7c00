"""What is said of a store that was looked over: findings, what a fix does and costs, who takes the room. No Qt here."""

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.doctor import ExperimentSize, FindingState, StoreFinding, StoreFixed, StoreReport

MARKS = {
    FindingState.OK: Mark("ok", numbers.OK, "fine"),
    FindingState.ADVICE: Mark("warning", numbers.WARNING, "could be better"),
    FindingState.TROUBLE: Mark("alert", numbers.ALERT, "trouble"),
    FindingState.UNKNOWN: Mark("unknown", numbers.UNKNOWN, "not known"),
}
GRAVEST = (FindingState.TROUBLE, FindingState.ADVICE, FindingState.UNKNOWN, FindingState.OK)


def sentence(report: StoreReport) -> tuple[str, str]:
    """Say how the store is as a whole, and in which colour."""
    counts = {state: sum(one.state is state for one in report.findings) for state in GRAVEST}
    worst = next((state for state in GRAVEST if counts[state]), FindingState.UNKNOWN)
    kind = " ".join(
        filter(None, (plain(report.kind, 40), f"schema {plain(report.schema, 20)}" if report.schema else ""))
    )
    size = f", {numbers.size(report.size_bytes)}" if report.size_bytes is not None else ""
    said = {
        FindingState.TROUBLE: f"{numbers.count(counts[FindingState.TROUBLE], 'trouble')} to mend",
        FindingState.ADVICE: f"{numbers.count(counts[FindingState.ADVICE], 'thing')} could be better",
        FindingState.UNKNOWN: "not everything could be looked at",
        FindingState.OK: "everything is fine",
    }[worst]
    foreign = "" if report.is_ours else " It is not this desk's: nothing of it is ever upgraded."
    return f"{MARKS[worst].shape} {said[:1].upper()}{said[1:]} ({kind}{size}).{foreign}", MARKS[worst].token


def loss(finding: StoreFinding, *, is_ours: bool) -> str:
    """Say what a fix does before it is done: what, what it costs, and that there is a copy."""
    parts = [finding.text, finding.effect or "It is not told what this does beyond its name."]
    parts.append("The store is copied first, and the copy is checked; nothing is done without it.")
    if not is_ours:
        parts.append("This store is not the desk's own: others may be at work in it.")
    return "\n\n".join(parts)


def done(fixed: StoreFixed) -> str:
    """Say what was done, and where the copy is."""
    copy = f" The copy from before is {plain(fixed.backup, 300)}." if fixed.backup else ""
    return f"{plain(fixed.text, 300)} It took {numbers.seconds(fixed.seconds)}.{copy}"


def _state(one: StoreFinding) -> Cell:
    mark = MARKS[one.state]
    return Cell(mark.text, GRAVEST.index(one.state), mark.token)


def _room(one: StoreFinding) -> Cell:
    return Cell(numbers.NOTHING if one.size_bytes is None else numbers.size(one.size_bytes), one.size_bytes or -1)


def _files(one: ExperimentSize) -> Cell:
    if one.artifact_bytes is None:
        return Cell("elsewhere", -1, "muted", "The files are not on this machine.")
    return Cell(numbers.size(one.artifact_bytes), one.artifact_bytes)


FINDINGS: tuple[Column[StoreFinding], ...] = (
    Column("state", "State", _state),
    Column("title", "What", lambda one: Cell(one.title, tip=one.text), stretch=True, whole=True),
    Column("fix", "Fix", lambda one: Cell("yes" if one.fix else numbers.NOTHING, bool(one.fix)), spare=True),
    Column("room", "Room", _room, right=True, spare=True),
)
SIZES: tuple[Column[ExperimentSize], ...] = (
    Column("name", "Experiment", lambda one: Cell(one.name), stretch=True),
    Column("runs", "Runs", lambda one: Cell(f"{one.n_runs:,}", one.n_runs), right=True),
    Column("files", "Files", _files, right=True),
    Column("points", "Points", lambda one: Cell(f"{one.n_metric_points:,}", one.n_metric_points), right=True,
           spare=True),
    Column("deleted", "Deleted", lambda one: Cell(f"{one.n_deleted_runs:,}", one.n_deleted_runs), right=True,
           spare=True),
)  # fmt: skip

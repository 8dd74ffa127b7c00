"""What is said of a kept registry: what it is, how it is read, what keeps one from it. No Qt here."""

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.tracker import FOREIGN, Tracker, TrackerKind
from mlops_desk.registry.records.transfer import MigratedFolder

OWN = "own"
"""The name of the desk's own registry, which can't be taken off the list."""
KINDS = {
    TrackerKind.OWN: "this desk's own", TrackerKind.SQLITE: "SQLite store", TrackerKind.DATABASE: "database",
    TrackerKind.HTTP: "MLflow server", TrackerKind.FOLDER: "folder mlruns", TrackerKind.TENSORBOARD: "TensorBoard",
    TrackerKind.TRACKIO: "Trackio", TrackerKind.WANDB: "W&B, offline",
}  # fmt: skip
_VIA = {"sql": "its tables", "rest": "its server", "files": "its files", "mlflow": "MLflow's client: slow"}


def has_models(one: Tracker) -> bool:
    """Tell whether models can be registered there; other trackers have runs alone."""
    return one.kind not in FOREIGN


def can_migrate(one: Tracker) -> bool:
    """Tell whether it is a folder that can be copied into a store."""
    return one.kind is TrackerKind.FOLDER and one.problem is None


def migrated(one: MigratedFolder) -> str:
    """Return what was copied, and what was lost on the way."""
    lost = f" {len(one.losses):,} could not be read and did not come along." if one.losses else ""
    return f"{one.n_runs:,} runs and {one.n_models:,} models are in {plain(one.file, 200)} now.{lost}"


def can_log_in(one: Tracker) -> bool:
    """Tell whether something logs in there: what lies on this disk asks for nothing, and the desk has its own way."""
    return one.kind in {TrackerKind.HTTP, TrackerKind.DATABASE}


def has_store(one: Tracker) -> bool:
    """Tell whether its store can be looked over."""
    return one.kind in {TrackerKind.OWN, TrackerKind.SQLITE, TrackerKind.DATABASE}


def mark(one: Tracker) -> Mark:
    if one.problem:
        return Mark("alert", numbers.ALERT, "can't be read")
    if one.via is not None:
        return Mark("ok", numbers.OK, "answers")
    return Mark("muted", numbers.IDLE, "not looked at yet")


def trouble(one: Tracker) -> str:
    """Return what keeps one from it, with what to do."""
    return f"{plain(one.problem, 300)} {plain(one.hint or '', 300)}".strip() if one.problem else ""


def _state(one: Tracker) -> Cell:
    said = mark(one)
    return Cell(said.text, said.word, said.token, trouble(one))


def _count(amount: int | None, least: int | None, why: str | None) -> Cell:
    if amount is not None:
        return Cell(f"{amount:,}", amount)
    said = numbers.NOTHING if least is None else f"at least {least:,}"
    return Cell(said, -1 if least is None else least, tip=plain(why or "", 300))


def _name(one: Tracker) -> Cell:
    return Cell(f"{plain(one.name, 60)} (default)" if one.is_default else one.name, one.name.lower())


def _via(one: Tracker) -> Cell:
    said = _VIA.get(one.via or "", plain(one.via or numbers.NOTHING, 40))
    tip = f"Schema {one.schema}" if one.schema else ""
    return Cell(said, token="warning" if one.via == "mlflow" else None, tip=tip)


COLUMNS: tuple[Column[Tracker], ...] = (
    Column("name", "Name", _name),
    Column("state", "State", _state),
    Column("kind", "What it is", lambda one: Cell(KINDS.get(one.kind, one.kind.value))),
    Column("uri", "Address", lambda one: Cell(one.uri), stretch=True, fixed=True),
    Column("login", "Login", lambda one: Cell(one.login or "none", token=None if one.login else "muted")),
    Column("via", "Read by", _via),
    Column("runs", "Runs", lambda one: _count(one.n_runs, one.least_runs, one.uncounted), right=True),
    Column("models", "Models", lambda one: _count(one.n_models, one.least_models, one.uncounted), right=True),
)

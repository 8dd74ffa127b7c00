"""A container engine in words: the same facts as ``mlops-desk engines list --json``. No Qt here but the cells'."""

from collections.abc import Sequence

from mlops_desk.records.engine import FoundEngine, GpuProof
from mlops_desk.records.jobs.job import LOCAL_RUNTIME
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.widgets.facts import Fact, moment_fact
from mlops_desk.ui.words import hints, numbers
from mlops_desk.ui.words.numbers import Mark

_STATES = {
    "ok": Mark("ok", numbers.OK, "answers"),
    "absent": Mark("alert", numbers.ALERT, "not there"),
    "refused": Mark("alert", numbers.ALERT, "may not be used"),
    "silent": Mark("warning", numbers.WARNING, "silent"),
    "unspoken": Mark("unknown", numbers.UNKNOWN, "not spoken here"),
}
_LEVELS = {"uuid": "by UUID", "minor": "by device file"}
_ROUTES = {"cdi": "CDI", "nvidia": "the NVIDIA runtime hook"}


def state(engine: FoundEngine) -> Mark:
    """Return whether it answers."""
    return _STATES.get(engine.state, Mark("unknown", numbers.UNKNOWN, engine.state))


def is_in_use(engine: FoundEngine) -> bool:
    """Tell whether jobs that name no engine run there."""
    return LOCAL_RUNTIME in engine.names


def title(engine: FoundEngine) -> str:
    """Return what it calls itself, or where it should be."""
    if engine.kind is None:
        return engine.address
    return " ".join(filter(None, (engine.kind, engine.version, "rootless" if engine.rootless else "")))


def proven(engine: FoundEngine) -> Mark:
    """Return whether GPUs were seen in its containers: no setting says so."""
    if engine.proof is not None:
        return Mark("ok", numbers.OK, f"proven {_how(engine.proof)}, {numbers.ago(engine.proof.at)}")
    if engine.state != "ok":
        return Mark("muted", numbers.NOTHING, "")
    return Mark("unknown", numbers.UNKNOWN, "never proven")


def _how(proof: GpuProof) -> str:
    return _LEVELS.get(proof.level, proof.level)


def _used(engine: FoundEngine) -> Cell:
    if is_in_use(engine):
        return Cell(f"{numbers.OK} in use", 0, "ok", "Jobs run here that name no engine")
    others = ", ".join(engine.names)
    return Cell(
        others or numbers.NOTHING, 1 if others else 2, None if others else "muted", "Jobs are sent here by name"
    )


def _gpus(engine: FoundEngine) -> Cell:
    mark = proven(engine)
    return Cell(mark.text if mark.word else numbers.NOTHING, engine.proof.at if engine.proof else -1.0, mark.token)


def _state(engine: FoundEngine) -> Cell:
    mark = state(engine)
    return Cell(mark.text, mark.word, mark.token, engine.text or "")


COLUMNS: tuple[Column[FoundEngine], ...] = (
    Column("engine", "Engine", lambda one: Cell(title(one)), stretch=True, whole=True),
    Column("used", "Jobs", _used),
    Column("state", "State", _state),
    Column("gpus", "GPUs in its containers", _gpus),
    Column("address", "Address", lambda one: Cell(one.address), fixed=True),
    Column("source", "Found by", lambda one: Cell(one.source), hidden=True),
)


def facts(engine: FoundEngine) -> Sequence[Fact]:
    """Return everything that is known of it."""
    mark = state(engine)
    sentence, command = hints.parts(engine.hint, engine.command)
    return [
        Fact("State", mark.text, mark.token),
        *([Fact("Why", engine.text)] if engine.text else []),
        *([Fact("What next", sentence)] if sentence else []),
        *([Fact("To paste", command, fixed=True)] if command else []),
        Fact("Address", engine.address, fixed=True),
        Fact("Found by", engine.source),
        Fact("Jobs call it", ", ".join(engine.names) or "nothing: no job is sent there"),
        *([Fact("API", engine.api_version)] if engine.api_version else []),
        *_manner(engine),
        *_gpu_facts(engine),
    ]


def _manner(engine: FoundEngine) -> list[Fact]:
    """Return as whom it runs, and what its restart does, as far as it tells."""
    found = []
    if engine.rootless is not None:
        found.append(Fact("Runs as", "a person (rootless)" if engine.rootless else "root"))
    if engine.live_restore is not None:
        kept = engine.live_restore
        told = "leaves containers running (live-restore)" if kept else "ends running containers: live-restore is off"
        found.append(Fact("Its restart", told, "text" if kept else "warning"))
    return found


def _gpu_facts(engine: FoundEngine) -> list[Fact]:
    if engine.state != "ok":
        return []
    route = [Fact("GPUs go in by", _ROUTES.get(engine.gpu_route, engine.gpu_route))] if engine.gpu_route else []
    if engine.proof is None:
        return [*route, Fact("GPUs proven", "never: none was seen in one of its containers yet", "warning")]
    seen = numbers.count(len(engine.proof.gpus), "GPU")
    return [
        *route,
        Fact("GPUs proven", f"{seen} seen {_how(engine.proof)}", "ok", tip="\n".join(engine.proof.gpus)),
        moment_fact("Proven at", engine.proof.at),
    ]

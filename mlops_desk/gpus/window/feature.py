"""GPUs, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Badge, Charted, Feature, OfferedAct, go, later
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.words import gpus, numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records.gpu import GpuState

_LOST = {GpuState.LOST, GpuState.RESET_REQUIRED, GpuState.ERROR}


def _mark(store: Store) -> Mark | None:
    lost = sum(gpu.state in _LOST for gpu in store.status.gpus) if store.status is not None else 0
    return Mark("alert", numbers.ALERT, numbers.count(lost, "GPU") + " not usable") if lost else None


def _things(context: Context) -> Iterator[Action]:
    status = context.store.status
    for gpu in status.gpus if status is not None else ():
        title = f"GPU {gpu.index} {gpus.short_name(gpu.name)} ({gpus.who(gpu) or 'unknown'})"
        yield go(context, "gpus", gpu.uuid, title)


def _charted(store: Store) -> Iterator[Charted]:
    for gpu in store.status.gpus if store.status is not None else ():
        yield Charted(gpu.uuid, f"GPU {gpu.index}", gpus.short_name(gpu.name))


def _shown(store: Store, uuid: str) -> str | None:
    return next((gpu.uuid for gpu in store.status.gpus if gpu.uuid == uuid), None) if store.status is not None else None


FEATURE = Feature(
    later("mlops_desk.gpus.window.page", "GpusPage"),
    badge=Badge(frozenset({Topic.STATUS}), _mark),
    things=_things,
    charted=_charted,
    sources=frozenset({"telemetry"}),
    shows={"gpu": _shown},
    acts={"gpus.end_process": later("mlops_desk.gpus.window.end_process_form", "open_end_process")},
    offers=(
        OfferedAct("gpus.curves", "GPU: curves"),
        OfferedAct("gpus.processes", "GPU: processes"),
        OfferedAct("gpus.health", "GPU: health"),
        OfferedAct("gpus.links", "GPU: links"),
        OfferedAct("gpus.export", "Copy or save the curves …", "picture png csv chart"),
        OfferedAct("gpus.end", "End the chosen process …", "kill stop terminate"),
    ),
)

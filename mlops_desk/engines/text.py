"""Container engines and images as text.

Container engines as a table: what each is, which jobs run there, and whether GPUs were seen in its containers.

Images, what brings them, volumes, and what would be cleared away, as text.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.engines.records.engine import FoundEngine
from mlops_desk.engines.records.image import (
    ImageCard,
    ImageRoom,
    ImageUser,
    PruneItem,
    PrunePreview,
    UserKind,
    VolumeCard,
)
from mlops_desk.engines.records.task import ImageTask, TaskKind, TaskState
from mlops_desk.kit.base.text import duration_text, plain, size_text
from mlops_desk.kit.text.cells import ago, facts, table

_HOW = {"uuid": "by UUID", "minor": "by device file"}


def _kind(item: FoundEngine) -> str:
    if item.kind is None:
        return item.state
    return f"{item.kind} {item.version}{', rootless' if item.rootless else ''}"


def _gpus(item: FoundEngine) -> str:
    if item.proof is not None:
        return f"proven {_HOW.get(item.proof.level, plain(item.proof.level))}, {ago(item.proof.at)}"
    return "not proven" if item.state == "ok" else "–"


def more(items: Sequence[FoundEngine]) -> str:
    """Return what is wrong with those that can't be used, a line each."""
    return "\n".join(
        f"{plain(item.address)}: {item.text}{f'  {item.hint}' if item.hint else ''}" for item in items if item.text
    )


TABLE: dict[str, Callable[[Any], str]] = {
    "JOBS": lambda item: ", ".join(item.names) or "–",
    "ENGINE": _kind,
    "GPUS": _gpus,
    "ADDRESS": lambda item: item.address,
    "FOUND BY": lambda item: item.source,
}


_ID = 12  # as docker images shows it
_USERS = 2  # chosen: more than two do not fit into a cell
_UNKNOWN = "–"


def _size(size_bytes: int | None) -> str:
    return _UNKNOWN if size_bytes is None else size_text(size_bytes)


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:_ID]


def _user(user: ImageUser) -> str:
    whose = f" ({user.user})" if user.user else ""
    if user.kind is UserKind.DESK:
        return f"{user.name}{whose}"
    return f"{user.kind.value} {user.name}{whose}"


def _users(users: Sequence[ImageUser]) -> str:
    if not users:
        return "nothing"
    more = f" and {len(users) - _USERS} more" if len(users) > _USERS else ""
    return ", ".join(map(_user, users[:_USERS])) + more


def _brought(card: ImageCard) -> str:
    return f"{card.origin} by {card.user}" if card.origin else "somebody else"


def _card(card: ImageCard) -> str:
    told = {
        "image": card.name,
        "id": card.id,
        "names": ", ".join((*card.tags, *card.digests)) or "none",
        "size": f"{_size(card.size_bytes)}, of which {_size(card.own_bytes)} are its own",
        "platform": card.platform or _UNKNOWN,
        "created": ago(card.created_at),
        "came": f"{_brought(card)}{f', {ago(card.brought_at)}' if card.brought_at else ''}",
        "needed by": ", ".join(map(_user, card.used_by)) or "nothing",
    }
    return facts(told)


def told(task: ImageTask) -> str:
    """Return a pull or build in a line or a few."""
    if task.state is TaskState.DONE:
        done = "pulled" if task.kind is TaskKind.PULL else "built"
        took = (
            "" if task.ended_at is None else f" after {duration_text(max(1, round(task.ended_at - task.started_at)))}"
        )
        return f"{plain(task.reference)}: {done}{took}, {_short(task.image_id or '')}"
    return facts(
        {
            "task": f"{task.id}  {task.kind.value} of {task.reference}",
            "state": task.state.value,
            "far": _far(task),
            **({} if task.builder is None else {"builder": task.builder.value}),
            "by": f"{task.user}, {ago(task.started_at)}",
            **({} if task.reason is None else {"reason": f"{task.reason.text} ({task.reason.class_})"}),
            **({} if task.reason is None or not task.reason.hint else {"next": task.reason.hint}),
            **({} if not task.jobs else {"jobs": " ".join(task.jobs)}),
        }
    )


def _far(task: ImageTask) -> str:
    if task.step is not None:
        count = "" if task.step.count is None else f" of {task.step.count}"
        return f"step {task.step.number}{count}"
    if task.done_bytes is None:
        return f"{task.layers_done} of {task.layers_count} layers" if task.layers_count else _UNKNOWN
    return f"{size_text(task.done_bytes)} of {_size(task.total_bytes) if task.total_bytes else 'an unknown size'}"


def _rows(items: Sequence[PruneItem]) -> str:
    heads = ("IMAGE", "ID", "SIZE", "FREES", "WHY")
    return table(heads, [[i.name, _short(i.id), _size(i.size_bytes), _size(i.own_bytes), i.text] for i in items])


def preview(found: PrunePreview) -> str:
    """Return what would go, or has gone, and what stays and why."""
    going = "Removed" if found.applied else "Would go"
    freed = "" if found.freed_bytes is None else f", at least {size_text(found.freed_bytes)}"
    count = f"{len(found.going)} image{'' if len(found.going) == 1 else 's'}"
    parts = [f"{going}: {count}{freed if found.going else ''}"]
    if found.going:
        parts.append(_rows(found.going))
    if found.staying:
        parts.append(f"Stay{'ed' if found.applied else 's'}:\n{_rows(found.staying)}")
    return "\n\n".join(parts)


def _room(room: ImageRoom) -> str:
    return facts(
        {
            "images": _size(room.images_bytes),
            "build cache": _size(room.build_cache_bytes),
            "volumes": _size(room.volumes_bytes),
            "free": f"{_size(room.free_bytes)} in {room.folder or 'a folder that the engine does not name'}",
        }
    )


FORMS: dict[type, Callable[[Any], str]] = {
    ImageCard: _card,
    ImageTask: told,
    PrunePreview: preview,
    ImageRoom: _room,
}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    ImageCard: {
        "IMAGE": lambda card: card.name,
        "ID": lambda card: _short(card.id),
        "SIZE": lambda card: _size(card.size_bytes),
        "CREATED": lambda card: ago(card.created_at),
        "CAME": _brought,
        "NEEDED BY": lambda card: _users(card.used_by),
    },
    ImageTask: {
        "TASK": lambda task: task.id,
        "WHAT": lambda task: task.kind.value,
        "IMAGE": lambda task: task.reference,
        "STATE": lambda task: task.state.value,
        "FAR": _far,
        "BY": lambda task: task.user,
        "BEGUN": lambda task: ago(task.started_at),
    },
    VolumeCard: {
        "VOLUME": lambda volume: volume.name,
        "DRIVER": lambda volume: volume.driver or _UNKNOWN,
        "SIZE": lambda volume: _size(volume.size_bytes),
        "CREATED": lambda volume: ago(volume.created_at),
        "USED BY": lambda volume: _users(volume.used_by),
    },
}

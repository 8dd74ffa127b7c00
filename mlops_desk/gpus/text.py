"""GPUs as the queue sees them, and bookings: tables and single answers."""

from collections.abc import Callable
from typing import Any

from mlops_desk.gpus.records.gpu_status import CardHolder, GpuCard, GpuNote, GpuWish, Reservation
from mlops_desk.kit.text.cells import facts, moment

_GIB = 1 << 30


def _gib(size: int | None) -> str:
    return "–" if size is None else f"{size / _GIB:.1f} GiB"


def _named(card: GpuCard) -> str:
    return f"{card.index} {card.profile}" if card.profile else str(card.index)


def _holder(holder: CardHolder) -> str:
    told = [holder.label]
    if holder.user:
        told.append(f"of {holder.user}")
    if holder.share_bytes is not None:
        used = "" if holder.used_bytes is None else f"{_gib(holder.used_bytes)} used of "
        told.append(f"({used}{_gib(holder.share_bytes)})")
    if holder.until is not None:
        told.append(f"until {moment(holder.until)}")
    return " ".join(told)


def _booked(card: GpuCard) -> str:
    spans = [f"{one.user} {moment(one.starts_at)} – {moment(one.ends_at)}" for one in card.bookings if one.ends_at]
    return ", ".join(spans) or "–"


def _why(card: GpuCard) -> str:
    """Say why a GPU stands as it does, and for whose job it is kept."""
    told = [card.text] if card.text else []
    if card.kept is not None:
        kept = card.kept
        told.append(f"kept for {kept.user}'s job {kept.name}, which has waited since {moment(kept.since)}")
    return "; ".join(told)


def card(item: GpuCard) -> str:
    """Return one GPU as facts."""
    told = {"GPU": f"{_named(item)}  {item.name}", "uuid": item.uuid, "state": str(item.state)}
    told |= {"why": _why(item) or "–", "memory": _gib(item.memory_bytes), "to be had": _gib(item.room_bytes)}
    if item.fix:
        told["next"] = item.fix
    return facts(told)


def reservation(item: Reservation) -> str:
    """Return one booking as facts."""
    told = {"booking": item.id, "GPUs": ", ".join(item.gpus), "for": item.user}
    told |= {"from": moment(item.starts_at), "until": moment(item.ends_at)}
    if item.note:
        told["note"] = item.note
    return facts(told)


def note(item: GpuNote) -> str:
    """Return what was left for whom."""
    return f"Left for {item.user} (process {item.pid} on GPU {item.gpu_index}): {item.text}"


def wish(item: GpuWish) -> str:
    """Return what will be told."""
    memory = "" if item.memory_bytes is None else f" with {_gib(item.memory_bytes)} each"
    gpus = "1 GPU is" if item.gpus == 1 else f"{item.gpus} GPUs are"
    return f"The window says when {gpus} free{memory}."


FORMS: dict[type, Callable[[Any], str]] = {GpuCard: card, Reservation: reservation, GpuNote: note, GpuWish: wish}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    GpuCard: {
        "GPU": _named,
        "STATE": lambda item: str(item.state),
        "MEMORY": lambda item: _gib(item.memory_bytes),
        "TO BE HAD": lambda item: _gib(item.room_bytes),
        "HOLDERS": lambda item: ", ".join(map(_holder, item.holders)) or "–",
        "BOOKED": _booked,
        "WHY": lambda item: f"{_why(item)}. {item.fix}" if item.fix else _why(item),
    },
    Reservation: {
        "ID": lambda item: item.id,
        "USER": lambda item: item.user,
        "FROM": lambda item: moment(item.starts_at),
        "UNTIL": lambda item: moment(item.ends_at),
        "GPUS": lambda item: ", ".join(item.gpus),
        "NOTE": lambda item: item.note or "",
    },
}

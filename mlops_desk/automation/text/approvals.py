"""What waits for a person's word."""

from collections.abc import Callable
from typing import Any

from mlops_desk.automation.records.approval import Approval
from mlops_desk.automation.text.pipelines import compared
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts

_TEXT = 400  # chosen: five lines of a terminal
_CELL = 90  # chosen: what is left of a line of a wide terminal; show has all


def approval(item: Approval) -> str:
    """Return what is asked, by whom it was agreed to, and what is done then."""
    told = {
        "approval": f"{item.id} of {plain(item.rule, _TEXT)}" if item.rule else item.id,
        "asks": plain(item.what, _TEXT),
        "since": ago(item.asked_at),
    }
    if item.comparison is not None:
        told["compared"] = compared(item.comparison)
    if item.people > 1 or item.agreed:
        names = f": {', '.join(plain(name) for name in item.agreed)}" if item.agreed else ""
        told["agreed"] = f"{len(item.agreed)} of {item.people}{names}"
    if item.state != "waiting":
        told["state"] = item.state
    if item.text:
        told["what came"] = plain(item.text, _TEXT)
    told |= _said(item)
    if item.asked_by is not None:
        told["asked by"] = plain(item.asked_by)
    if item.who:
        told["may agree"] = ", ".join(map(plain, item.who))
    if item.lapsed:
        told["lapsed"] = f"{', '.join(map(plain, item.lapsed))}: what was compared is something else by now"
    if item.lacking:
        told["lacks"] = plain("; ".join(item.lacking), _TEXT)
    for number, line in enumerate(item.then):
        told["then" if number == 0 else " " * number] = plain(line, _TEXT)
    return facts(told)


def _said(item: Approval) -> dict[str, str]:
    """Return the reasons that people gave, by who and what."""
    words = (one for one in item.said if one.why)
    return {f"{plain(one.user)} {'agrees' if one.agrees else 'rejects'}": plain(one.why, _TEXT) for one in words}


FORMS: dict[type, Callable[[Any], str]] = {Approval: approval}
TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    Approval: {
        "ID": lambda item: item.id,
        "RULE": lambda item: item.rule or "–",
        "AGREED": lambda item: f"{len(item.agreed)} of {item.people}",
        "SINCE": lambda item: ago(item.asked_at),
        "ASKS": lambda item: plain(item.what, _CELL),
    },
}

"""Folds incidents: the same thing happening again counts up, so that a storm is one entry. Pure.

What lasts is one entry until it ends, and on when it begins again soon after. Only what was seen lately can be
counted on, so the memory is bounded.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from mlops_desk.machine.events.drafts import Key, key_of
from mlops_desk.machine.records.incident import Incident

FOLD_SECONDS = 600.0
"""The same within this time of the last one is the same entry."""

ENDED_UNSEEN = "end"
"""The detail that says of an end that nobody saw it; it is taken back when the same goes on."""

_REMEMBERED = 2000  # chosen: many times the devices of a machine
_SEVERAL = "several"


class Folding:
    """The newest entry of each key."""

    def __init__(self, known: Iterable[Incident] = ()) -> None:
        self._newest: OrderedDict[Key, Incident] = OrderedDict((key_of(incident), incident) for incident in known)

    def of(self, incident: Incident) -> Incident | None:
        """Return the newest entry of the same key."""
        return self._newest.get(key_of(incident))

    def take(self, incident: Incident, new_id: str) -> tuple[Incident, bool]:
        """Return the entry that ``incident`` is part of, as it is now, and whether it is a new one.

        What lasts, and has not ended, is the same object as before.
        """
        key = key_of(incident)
        known = self._newest.get(key)
        if known is None or not _continues(known, incident):
            return self._keep(key, replace(incident, id=incident.id or new_id)), True
        if known.lasting and known.ended_at is None:
            return known, False
        merged = replace(
            known,
            count=known.count + incident.count,
            last_at=max(known.last_at or known.at, incident.at),
            ended_at=None,
            details=_both(known, incident),
        )
        return self._keep(key, merged), False

    def end(self, incident: Incident, at: float) -> Incident | None:
        """Return the lasting entry of the same key with its end; None where there is none."""
        known = self._newest.get(key_of(incident))
        if known is None or not known.lasting or known.ended_at is not None:
            return None
        return self._keep(key_of(incident), replace(known, ended_at=max(at, known.at)))

    def replace(self, incident: Incident) -> None:
        """Remember a change that was made to an entry."""
        self._keep(key_of(incident), incident)

    def _keep(self, key: Key, incident: Incident) -> Incident:
        self._newest[key] = incident
        self._newest.move_to_end(key)
        if len(self._newest) > _REMEMBERED:  # what goes on is needed at its end
            del self._newest[next((key for key, item in self._newest.items() if not goes_on(item)), key)]
        return incident


def goes_on(incident: Incident) -> bool:
    """Tell whether an entry lasts and has not ended."""
    return incident.lasting and incident.ended_at is None


def _continues(known: Incident, incident: Incident) -> bool:
    if known.lasting:
        return known.ended_at is None or incident.at - known.ended_at <= FOLD_SECONDS
    if incident.id:  # it names itself: once told it is never told again
        return known.id == incident.id
    return abs(incident.at - (known.last_at or known.at)) <= FOLD_SECONDS


def _both(known: Incident, incident: Incident) -> dict[str, str]:
    """Keep the details that agree; what differs (the process, say) becomes ``several``."""
    return {
        name: value if incident.details.get(name, value) == value else _SEVERAL
        for name, value in {**incident.details, **known.details}.items()
        if name != ENDED_UNSEEN
    }

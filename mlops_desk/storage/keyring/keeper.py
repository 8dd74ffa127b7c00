"""Secrets in a person's keyring: each call is a child process that acts as that person, within a deadline.

The agent may have no session of its own, or serve people who have theirs: the bus of a person's session is where
systemd puts it, unless the agent's own environment says where its user's is.
"""

import os
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Hint, TimedOut, Unavailable
from mlops_desk.base.process import run_worker

_WORKER = "mlops_desk.storage.keyring.worker"
_SECONDS = 10.0  # chosen: a keyring that asks its person for a password is as good as locked to an agent


class PersonalKeyring:
    """``service`` is under which name all entries stand. Safe to use from several threads."""

    def __init__(self, service: str) -> None:
        self._service = service

    def look(self, uid: int) -> str:
        """Return what the keyring of a person is. Raises Refused where there is none, Unavailable."""
        return str(self._ask(uid, {"act": "look"})["keyring"])

    def value(self, uid: int, name: str) -> str | None:
        """Return what an entry says; None for no such entry. Raises Refused, Unavailable."""
        found = self._ask(uid, {"act": "get", "name": name})["value"]
        return None if found is None else str(found)

    def set(self, uid: int, name: str, value: str) -> None:
        """Keep a value, and see that it comes back. Raises Refused, Unavailable."""
        if self._ask(uid, {"act": "set", "name": name, "value": value})["value"] != value:
            raise Unavailable(f"The keyring does not give {name} back as it was put in.")

    def remove(self, uid: int, name: str) -> None:
        """Forget an entry. Raises NotFound, Refused, Unavailable."""
        self._ask(uid, {"act": "remove", "name": name})

    def _ask(self, uid: int, request: dict[str, Any]) -> dict[str, Any]:
        own = uid == os.geteuid()
        try:
            answer: dict[str, Any] = run_worker(
                _WORKER, {**request, "service": self._service}, _SECONDS, _session(uid), as_uid=None if own else uid
            )
        except TimedOut as error:
            hint = Hint("mlops-desk secrets list", before="It may wait to be unlocked in a window: ")
            raise Unavailable(f"The keyring gave no answer within {_SECONDS:g} s.", hint) from error
        return answer


def _session(uid: int) -> dict[str, str]:
    """Return where the bus of a person's session is."""
    bus = Path(f"/run/user/{uid}/bus")
    if (uid == os.geteuid() and os.environ.get("DBUS_SESSION_BUS_ADDRESS")) or not bus.exists():
        return {}
    return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}", "XDG_RUNTIME_DIR": str(bus.parent)}

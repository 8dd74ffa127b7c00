"""Secrets in a person's keyring: each call is a child process that acts as that person, within a deadline.

The agent may have no session of its own, or serve people who have theirs: the bus of a person's session is where
systemd puts it, unless the agent's own environment says where its user's is.
"""

import os
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import TimedOut, Unavailable
from mlops_desk.base.process import run_worker

_WORKER = "mlops_desk.storage.keyring.worker"
_SECONDS = 10.0  # chosen: who is not asked for a password has answered long before
_ASKED_SECONDS = 25.0  # chosen: for a password that is typed; moving a secret asks twice, and verbs end after 60 s


class PersonalKeyring:
    """``service`` is under which name all entries stand. Safe to use from several threads."""

    def __init__(self, service: str) -> None:
        self._service = service

    def look(self, uid: int) -> str:
        """Return what the keyring of a person is. Raises Refused where there is none, Unavailable."""
        return str(self._ask(uid, {"act": "look"})["keyring"])

    def value(self, uid: int, name: str, *, quiet: bool = True) -> str | None:
        """Return what an entry says; None for no such entry. Raises Refused, Unavailable.

        Asked ``quiet``, a locked keyring opens no window: a job that waits for it would open one again and again.
        """
        found = self._ask(uid, {"act": "get", "name": name, "quiet": quiet})["value"]
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
        seconds = _SECONDS if request.get("quiet") or request["act"] == "look" else _ASKED_SECONDS
        try:
            answer: dict[str, Any] = run_worker(
                _WORKER, {**request, "service": self._service}, seconds, _session(uid), as_uid=None if own else uid
            )
        except TimedOut as error:
            hint = "It may wait in a window for its password, or hang: unlock it, and do this again."
            raise Unavailable(f"The keyring gave no answer within {seconds:g} s.", hint) from error
        return answer


def _session(uid: int) -> dict[str, str]:
    """Return where the bus of a person's session is."""
    bus = Path(f"/run/user/{uid}/bus")
    if (uid == os.geteuid() and os.environ.get("DBUS_SESSION_BUS_ADDRESS")) or not bus.exists():
        return {}
    return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}", "XDG_RUNTIME_DIR": str(bus.parent)}

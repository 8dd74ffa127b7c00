"""An agent that everybody may reach, and what its services' things are to them."""

from typing import Any

from mlops_desk.kit.base.caller import Caller
from mlops_desk.kit.verbs.access import Permission, SingleUser


class Shared(SingleUser):
    """Lets everybody connect; who owns and who administers is as for one user."""

    def admit(self, peer: Caller) -> None:
        """Let everybody in."""


def ask_as(uid: int, service: Any, path: str, **arguments: Any) -> None:
    """Let ``uid`` ask a real service for ``jobs.cancel`` and the like, up to where it would be called. Raises Refused."""
    name, _, verb = path.partition(".")
    Permission({name: service}, Shared()).check_named(name, verb, arguments, Caller(uid, uid, 1))

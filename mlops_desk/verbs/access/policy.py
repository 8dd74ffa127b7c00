"""Who a peer is to this agent: may it connect, and what is it to a thing that belongs to somebody.

``SingleUser`` is an agent of one's own. An agent for a whole machine is another policy, and nothing else changes.
"""

import os
from enum import StrEnum
from typing import Protocol

from mlops_desk.base.caller import Caller, user_name
from mlops_desk.base.errors import Hint, Refused
from mlops_desk.records.owner import Owner

ROOT = 0  # the uid of the superuser, on every Linux


class Relation(StrEnum):
    """What a peer is to a thing."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    OTHER = "other"


class AccessPolicy(Protocol):
    """Decides over peers, by what the kernel says of them."""

    def admit(self, peer: Caller) -> None:
        """Let a peer connect. Raises Refused."""
        ...

    def relation(self, peer: Caller, owner: Owner | None) -> Relation:
        """Tell what a peer is to a thing of ``owner``; None: to the agent itself, which has administrators only."""
        ...

    def uid_of(self, owner: Owner | None) -> int | None:
        """Return whose a thing is; None where its record knows an account by name only."""
        ...

    def administrators(self) -> str:
        """Say in words who the administrators are."""
        ...


class SingleUser:
    """The agent of one user: that user and root may connect, and both are its administrators."""

    def __init__(self, uid: int | None = None) -> None:
        self._uid = os.getuid() if uid is None else uid

    def admit(self, peer: Caller) -> None:
        if not self._administers(peer):
            text = f"This agent belongs to {user_name(self._uid)} (uid {self._uid}), and uid {peer.uid} asked."
            raise Refused(text, Hint("mlops-desk status", before="Start one of your own: "))

    def relation(self, peer: Caller, owner: Owner | None) -> Relation:
        if owner is not None and self._is_owner(peer, owner):
            return Relation.OWNER
        return Relation.ADMINISTRATOR if self._administers(peer) else Relation.OTHER

    def uid_of(self, owner: Owner | None) -> int | None:
        if owner is not None and owner.uid is not None:
            return owner.uid
        return self._uid if owner is None or owner.user is None else None

    def administrators(self) -> str:
        return user_name(ROOT) if self._uid == ROOT else f"{user_name(ROOT)} or {user_name(self._uid)}"

    def _administers(self, peer: Caller) -> bool:
        return peer.uid in {ROOT, self._uid}

    def _is_owner(self, peer: Caller, owner: Owner) -> bool:
        uid = self.uid_of(owner)
        return peer.uid == uid if uid is not None else peer.user == owner.user

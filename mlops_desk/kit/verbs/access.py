"""Who may ask for a verb: what the agent's policy says of people, and what decides by it.

Who a peer is to this agent: may it connect, and what is it to a thing that belongs to somebody.

``SingleUser`` is an agent of one's own. An agent for a whole machine is another policy, and nothing else changes.

Whether somebody may ask for a verb: decided here and nowhere else, by the verb's declaration and the agent's policy.

The declaration says who may, which verb shows the thing that it is about, and which argument names that thing;
the thing's record says whose it is. What a verb is refused for is found out before its service is called.
"""

import logging
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

from mlops_desk.kit.base.caller import Caller, user_name
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.owner import Owned, Owner
from mlops_desk.kit.verbs import PROTOCOLS
from mlops_desk.kit.verbs.declaration import Verb, Who, verb_named

_log = logging.getLogger(__name__)

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


_SHOWN_LIMIT = 80  # longer than any id or name, short enough for a sentence
_MAY = {
    Who.EVERYBODY: frozenset(Relation),
    Who.OWNER: frozenset({Relation.OWNER, Relation.ADMINISTRATOR}),
    Who.ADMINISTRATOR: frozenset({Relation.ADMINISTRATOR}),
}


class Permission:
    """Compares who asks with whose the thing is. ``services`` show the things, by the names of ``PROTOCOLS``."""

    def __init__(self, services: Mapping[str, Any], policy: AccessPolicy) -> None:
        self._services = services
        self.policy = policy

    def check(self, verb: Verb, arguments: Mapping[str, Any], caller: Caller) -> object | None:
        """Let ``caller`` ask for a verb, and return the thing as it is; None where there is none (yet).

        Raises Refused, and what the showing verb raises where it can't be told whose the thing is.
        """
        self.policy.admit(caller)
        if verb.mark.who is Who.ADMINISTRATOR and self.policy.relation(caller, None) not in _MAY[verb.mark.who]:
            raise self._refused(verb, "this agent's administrators", caller)
        shown = self._shown(verb, arguments)
        if verb.mark.who is Who.OWNER and shown is not None:
            owner = _owner_of(verb, shown)
            if self.policy.relation(caller, owner) not in _MAY[verb.mark.who]:
                raise self._refused(verb, self._name(owner), caller, _thing(verb, arguments))
        return shown

    def check_named(self, service: str, name: str, arguments: Mapping[str, Any], caller: Caller) -> None:
        """Let somebody on whose behalf the agent acts by itself ask for a verb, as if they had come by the socket."""
        self.check(verb_named(service, PROTOCOLS[service], name), arguments, caller)

    def _shown(self, verb: Verb, arguments: Mapping[str, Any]) -> object | None:
        if verb.mark.before is None:
            return None
        showing = verb_named(verb.service, PROTOCOLS[verb.service], verb.mark.before)
        given = {one.name: arguments[one.name] for one in showing.parameters if one.name in arguments}
        try:
            shown: object = getattr(self._services[verb.service], showing.name)(**given)
        except NotFound as error:
            _log.info("Before %s: %s", verb.path, error.message)
            return None
        except DeskError as error:
            if verb.mark.who is Who.OWNER:
                raise
            _log.info("Before %s: %s", verb.path, error.message)
            return None
        return shown

    def _name(self, owner: Owner) -> str:
        uid = self.policy.uid_of(owner)
        return plain(owner.user or "") if uid is None else user_name(uid)

    def _refused(self, verb: Verb, owner: str, caller: Caller, thing: str | None = None) -> Refused:
        what = f"{verb.service} {verb.name.replace('_', '-')}"
        if thing is None:
            text = f"{what} is for {owner} ({self.policy.administrators()}), and {caller.user} asked."
            return Refused(text, f"Ask one of them: {self.policy.administrators()}.")
        text = f"{thing[:1].upper()}{thing[1:]} belongs to {owner}, and {caller.user} asked for {what}."
        return Refused(text, f"Ask {owner}, or an administrator ({self.policy.administrators()}).")


def _owner_of(verb: Verb, shown: object) -> Owner:
    if not isinstance(shown, Owned):
        raise TypeError(f"{verb.path} is for the owner of a {type(shown).__name__}, which has none.")
    return shown.owner


def _thing(verb: Verb, arguments: Mapping[str, Any]) -> str:
    noun, argument = verb.mark.of or ("thing", "")
    return f"{noun} {plain(str(arguments.get(argument, '')), _SHOWN_LIMIT)}"

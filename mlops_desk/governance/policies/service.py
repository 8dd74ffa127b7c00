"""The verbs about policies."""

import os
import pwd
from builtins import list as list_of
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from mlops_desk.governance.policies.decision import MoveAsked, standing_of
from mlops_desk.governance.policies.gate import Evidence
from mlops_desk.governance.policies.repository import PolicyLedger
from mlops_desk.governance.records.policy import MOST_PEOPLE, ApprovalPolicy, PolicyStanding
from mlops_desk.governance.records.signers import signers_of
from mlops_desk.kit.base.caller import current_caller, user_name
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain

ROOT = 0  # the uid of the superuser, on every Linux
_NOBODY = 65_534  # the uid of nobody, on every Linux: who lets that in lets in everybody
_MOST_SIGNERS = 1 << 16  # chosen: three hundred keys
_LIST = Hint("mlops-desk policies list", after=" shows them all.")


class PolicyRegistries(Protocol):
    """Registries as policies need them."""

    def where(self, uri: str | None) -> tuple[str | None, str]:
        """Return the tracking URI that is meant (None: the desk's own), and its identity."""
        ...

    def check_model(self, model: str, uri: str | None) -> None:
        """Raise NotFound where there is no such model, Unavailable where nobody can tell."""
        ...


class PoliciesService:
    """Implements ``verbs.Policies``. ``admits`` tells whether an account's uid reaches this agent at all."""

    def __init__(
        self,
        ledger: PolicyLedger,
        evidence: Evidence,
        registries: PolicyRegistries,
        admits: Callable[[int], bool],
        now: Callable[[], float],
        changed: Callable[[ApprovalPolicy], None],
    ) -> None:
        self._ledger = ledger
        self._evidence = evidence
        self._registries = registries
        self._admits = admits
        self._now = now
        self._changed = changed

    def list(self) -> list_of[ApprovalPolicy]:
        """List all."""
        return [self._told(one) for one in self._ledger.policies()]

    def show(self, model: str, alias: str = "champion", uri: str | None = None) -> ApprovalPolicy:
        """Show one. Raises NotFound."""
        wanted = self._wanted(model, alias, "", uri)
        found = self._ledger.policy(wanted)
        if found is None:
            raise NotFound(f"{wanted.shown} has no policy: whoever may move aliases moves it.", _LIST)
        return self._told(found)

    def set(
        self,
        model: str,
        alias: str = "champion",
        people: int = 1,
        who: str = "",
        uri: str | None = None,
        signers: str | None = None,
        *,
        card: bool = False,
        not_author: bool = False,
        signed_tag: bool = False,
        free_rollback: bool = False,
    ) -> ApprovalPolicy:
        """Keep a policy. Raises Invalid, NotFound."""
        if not (model.strip() and alias.strip()):
            raise Invalid("A policy needs a model and an alias.")
        if not 0 <= people <= MOST_PEOPLE:
            raise Invalid(f"A policy wants 0 to {MOST_PEOPLE} people, not {people}.", "Give --people another number.")
        names = tuple(dict.fromkeys(one.strip() for one in who.split(",") if one.strip()))
        uids = tuple(_uid(name) for name in names)
        if uids and len(set(uids)) < people:
            raise Invalid(f"{people} people have to approve, and {len(set(uids))} may.", "Name more accounts in --who.")
        _check_keys(signers or "", are_wanted=signed_tag)
        wanted = self._wanted(model, alias.strip(), "", uri)
        trouble = self._look(wanted)
        policy = ApprovalPolicy(
            model, wanted.alias, people, names, uids, card, not not_author, signed_tag, signers or "",
            free_rollback, wanted.registry, self._now(), current_caller().user, trouble,
        )  # fmt: skip
        self._ledger.put(policy)
        self._changed(policy)
        return self._told(policy)

    def remove(self, model: str, alias: str = "champion", uri: str | None = None) -> ApprovalPolicy:
        """Forget one, also one that can't be read. Raises NotFound."""
        wanted = self._wanted(model, alias, "", uri)
        try:
            policy = self.show(model, alias, uri)
        except Refused as error:  # a damaged one, which nobody can show
            policy = ApprovalPolicy(model, alias, registry=wanted.registry, trouble=error.message)
        self._ledger.remove(wanted.registry, model, alias)
        self._changed(policy)
        return policy

    def check(self, model: str, version: str, alias: str = "champion", uri: str | None = None) -> PolicyStanding:
        """Tell what a version lacks. Raises NotFound, Unavailable."""
        wanted = self._wanted(model, alias, version, uri)
        policy = self._ledger.policy(wanted)
        return standing_of(policy, wanted, self._evidence(wanted), self._ledger.words(wanted))

    def _wanted(self, model: str, alias: str, version: str, uri: str | None) -> MoveAsked:
        where, registry = self._registries.where(uri)
        return MoveAsked(registry, model, alias, version, where)

    def _look(self, wanted: MoveAsked) -> str | None:
        """Refuse a model that is not there; say so where nobody can tell."""
        try:
            self._registries.check_model(wanted.model, wanted.uri)
        except NotFound:
            raise
        except Unavailable as error:
            return f"Whether there is such a model could not be seen: {plain(error.message)}"
        except DeskError as error:
            return plain(error.message)
        return None

    def _told(self, policy: ApprovalPolicy) -> ApprovalPolicy:
        """Return a policy with who of those that it names can't reach this agent, and whether enough others do."""
        if policy.is_damaged:
            return policy
        away = [name for name, uid in zip(policy.who, policy.uids, strict=False) if not self._admits(uid)]
        text = f"This agent does not let in {', '.join(map(plain, away))}, so they can't approve." if away else ""
        parts = [part for part in (policy.trouble, text, self._lacking(policy)) if part]
        return replace(policy, trouble=" ".join(parts)) if parts else policy

    def _lacking(self, policy: ApprovalPolicy) -> str:
        """Say that fewer accounts reach this agent than have to agree; "" where that is not so, or nobody knows."""
        named = {*policy.uids}
        if not policy.people or (not named and self._admits(_NOBODY)):
            return ""
        able = {uid for uid in named or {ROOT, os.getuid()} if self._admits(uid)}
        wanted = policy.people + (not policy.author and not named)  # whoever asks is one of those that reach it, too
        if len(able) >= wanted:
            return ""
        who = ", ".join(map(user_name, sorted(able))) or "nobody"
        besides = " besides whoever trained it or asks for it" if not policy.author else ""
        return (
            f"It can't be met: {policy.people} of the accounts that reach this agent ({who}) would have to approve"
            f"{besides}."
        )


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise Invalid(f"There is no account {plain(name, 80)!r} on this machine.") from error


def _check_keys(signers: str, *, are_wanted: bool) -> None:
    """Refuse keys that nobody could verify a tag by. Raises Invalid."""
    if len(signers) > _MOST_SIGNERS:
        text = f"The keys that may sign are longer than {_MOST_SIGNERS >> 10} KiB."
        raise Invalid(text, "Leave out keys of people who sign no tags: gpg --export-options export-minimal.")
    found = signers_of(signers)
    if found.trouble is not None:
        hint = Hint(
            "gpg --armor --export NAME", before="Give --signers lines of allowed_signers, and what ", after=" prints."
        )
        raise Invalid(f"The keys that may sign can't be read: {found.trouble}", hint)
    if are_wanted and not (found.ssh or found.gpg):
        raise Invalid("A signed tag is wanted, and no key is named that may sign.", "Give --signers a file of them.")

"""Policies and approvals as they are kept. One lock: of two approvals at once each is seen by the other's decision."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.governance.policies.decision import MoveAsked
from mlops_desk.governance.records.policy import (
    ApprovalPolicy,
    ApprovalWord,
    WordKind,
    WordState,
    policy_key,
    policy_of_key,
    subject_key,
)
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.storage.records import StoredRecords

_DAMAGED = "It can't be read, so nobody can tell what it wants, and no move is let through. Set it anew, or remove it."


class PolicyLedger:
    """The two tables. Everything raises Unavailable where the disk fails: what can't be read lets nothing through."""

    def __init__(
        self, policies: StoredRecords[ApprovalPolicy], words: StoredRecords[ApprovalWord], now: Callable[[], float]
    ) -> None:
        self._policies = policies
        self._words = words
        self._now = now
        self.lock = threading.RLock()

    def policy(self, wanted: MoveAsked) -> ApprovalPolicy | None:
        """Return the policy of an alias. Raises Refused where there is one that can't be read."""
        key = policy_key(wanted.registry, wanted.model, wanted.alias)
        found = self._policies.get(key)
        if found is None and key in self._policies.keys():  # noqa: SIM118 - a table has keys, and is no mapping
            text = f"The policy of {wanted.shown} can't be read, so nobody can tell what it wants. Nothing was moved."
            raise Refused(text, "Set it anew (policies set), or remove it (policies remove).")
        return found

    def policies(self) -> list[ApprovalPolicy]:
        """Return all, by model and alias; of those that can't be read it is known which alias they are of."""
        found = {one.key: one for one in self._policies.list()}
        for key in self._policies.keys() - found.keys():
            if (parts := policy_of_key(key)) is not None:
                registry, model, alias = parts
                found[key] = ApprovalPolicy(model, alias, registry=registry, trouble=_DAMAGED, is_damaged=True)
        return sorted(found.values(), key=lambda one: (one.model, one.alias, one.registry))

    def put(self, policy: ApprovalPolicy) -> None:
        with self.lock:
            self._policies.put(policy)

    def remove(self, registry: str, model: str, alias: str) -> None:
        """Forget a policy, be it a damaged one."""
        with self.lock:
            self._policies.remove(policy_key(registry, model, alias))

    def words(self, wanted: MoveAsked) -> list[ApprovalWord]:
        """Return what was said to a version under an alias, oldest first."""
        return self._words.list(
            parent=subject_key(wanted.registry, wanted.model, wanted.alias, wanted.version), newest_first=False
        )

    def say(
        self,
        wanted: MoveAsked,
        evidence_sha256: str,
        kind: WordKind,
        identity: str,
        user: str,
        tag: tuple[str, ...] | None = None,
        subject: str | None = None,
        why: str = "",
    ) -> ApprovalWord:
        """Keep an approval; durable when this returns."""
        word = ApprovalWord(
            uuid.uuid4().hex, wanted.registry, wanted.model, wanted.alias, wanted.version, evidence_sha256, kind,
            identity, user, self._now(), tag=None if tag is None else tag[0],
            tag_object=None if tag is None else tag[1], subject=subject, why=why,
        )  # fmt: skip
        self._words.put(word)
        return word

    def spend(self, wanted: MoveAsked) -> None:
        """Note that the alias has moved to a version: what was said of it has had its effect."""
        self._end(wanted, WordState.USED)

    def take_back(self, wanted: MoveAsked) -> None:
        """Note that what was said of a version counts no more, as after somebody's no."""
        self._end(wanted, WordState.TAKEN_BACK)

    def _end(self, wanted: MoveAsked, state: WordState) -> None:
        with self.lock:
            given = [one for one in self.words(wanted) if one.state is WordState.GIVEN]
            if given:
                self._words.put_all([replace(one, state=state) for one in given])

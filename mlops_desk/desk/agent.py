"""The agent about itself: who it is, how it is, what was changed, and its end."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from string import hexdigits
from threading import Lock
from typing import Any

from mlops_desk import __version__
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_watched
from mlops_desk.kit.records.agent import AgentCost, AgentInfo, AuditEntry, Check
from mlops_desk.kit.records.audit import AuditLink, AuditVerification
from mlops_desk.kit.storage.audit.table import AuditSearch
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.declaration import check_limit
from mlops_desk.serving.background_tasks import BesideWork

_VERIFYING = "mlops_desk.kit.storage.audit.worker"
_SILENCE_SECONDS = 120.0  # chosen: it says something ten times a second, unless the disk hangs
_DIGEST_CHARACTERS = 64  # SHA-256 in hex
_STOP_DELAY_SECONDS = 0.2  # so that the answer is out before the socket closes


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What the agent's verbs need from the rest of the house, as plain callables."""

    cost: Callable[[], AgentCost]
    sampling: Callable[[], tuple[str, str | None]]
    checks: Callable[[], list[Check]]
    end: Callable[[], None]
    end_outliving: Callable[[], None]
    note: Callable[[], str | None]
    begun: Callable[[str, str | None], AbstractContextManager[BesideWork]]
    engines: tuple[str, ...] = ()


class AgentService:
    """Implements ``verbs.Agent``."""

    def __init__(
        self,
        folder: DataFolder,
        state: State,
        loop: Loop,
        parts: AgentParts,
        *,
        simulated: bool,
        user: str | None = None,
    ) -> None:
        self._folder = folder
        self._state = state
        self._loop = loop
        self._parts = parts
        self._simulated = simulated
        self._user = user
        self._started_at = time.monotonic()
        self._verifying = Lock()

    def info(self) -> AgentInfo:
        sampling, note = self._parts.sampling()
        about = self.about()
        told = " ".join(text for text in (note, about.note) if text)
        return replace(about, cost=self._parts.cost(), sampling=sampling, note=told or None)

    def about(self) -> AgentInfo:
        """Return what does not come from telemetry; telemetry puts its own numbers into it."""
        return AgentInfo(
            version=__version__,
            uptime_seconds=time.monotonic() - self._started_at,
            cost=AgentCost(),
            pid=os.getpid(),
            data_dir=str(self._folder.root),
            instance=self._folder.instance,
            simulated=self._simulated,
            note=self._parts.note(),
            user=self._user,
            engines=self._parts.engines,
        )

    def doctor(self) -> list[Check]:
        return self._parts.checks()

    def audit(
        self,
        limit: int = 100,
        since: float | None = None,
        until: float | None = None,
        user: str | None = None,
        asked: str | None = None,
        text: str | None = None,
        failed: bool = False,
    ) -> list[AuditEntry]:
        wanted = AuditSearch(since, until, user, asked, text, failed)
        return self._state.audit.search(wanted, check_limit(limit))

    def verify_audit(
        self, head: str | None = None, ticket: str | None = None, anchors: list[str] | None = None
    ) -> AuditVerification:
        if head is not None and (len(head) != _DIGEST_CHARACTERS or not set(head) <= set(hexdigits.lower())):
            raise Invalid("A head is a SHA-256 in hex, of 64 characters.", "The last line of an export has one.")
        if not self._verifying.acquire(blocking=False):
            raise Refused("The audit is being looked at already.", "Ask again in some seconds.")
        try:
            with self._parts.begun("The look at the audit", ticket) as work:
                written = self._state.audit.end
                request: dict[str, Any] = {
                    "database": str(self._folder.state_database),
                    "head": head,
                    "written": written,
                }
                request["anchors"] = list(anchors or ())
                if not self._simulated:  # what is made up is anchored nowhere
                    request |= {"heads": str(self._folder.audit_heads), "instance": self._folder.instance}
                return self._verified(request, work)
        finally:
            self._verifying.release()

    def _verified(self, request: dict[str, Any], work: BesideWork) -> AuditVerification:
        def hear(line: str) -> bool:
            what, _, numbers = line.partition(" ")
            done, _, total = numbers.partition(" ")
            if done.isdigit() and total.isdigit():
                work.tell(f"{int(done):,} of {int(total):,} {what} looked at.", int(done), int(total))
            return not work.stopping.is_set()

        try:
            return wire.from_builtins(run_watched(_VERIFYING, request, hear, _SILENCE_SECONDS), AuditVerification)
        except Unavailable:
            if work.stopping.is_set():
                raise work.over() from None
            raise

    def audit_links(self, after: int = 0, limit: int = 1000) -> list[AuditLink]:
        return self._state.audit.links_behind(after, check_limit(limit))

    def shutdown(self, *, everything: bool = False) -> AgentInfo:
        info = self.info()
        if everything:
            self._parts.end_outliving()
        self._loop.start("shutdown", self._end_soon)
        return info

    def _end_soon(self) -> None:
        # Long enough for the answer to reach the caller first.
        time.sleep(_STOP_DELAY_SECONDS)
        self._parts.end()

"""The verbs about how long data are kept: shown first, and deleted by the token of what was shown."""

import math
import time
from abc import ABC, abstractmethod
from builtins import list as list_of
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.governance.data.file_deletion import delete
from mlops_desk.governance.data.retention_plan import DataHold, RetentionAsked, planned
from mlops_desk.governance.records.data.catalogue import DataSet, DataSetBrief
from mlops_desk.governance.records.data.retention import RetentionDone, RetentionItem, RetentionPlan
from mlops_desk.kit.base.errors import Hint, Invalid, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop

_LOOK_SECONDS = 40.0  # chosen: below the verbs' deadline; a year of hours is looked through in half a second
_DELETE_SECONDS = 580.0  # chosen: below the verb's deadline


@dataclass(frozen=True, slots=True)
class RetentionHouse:
    """``files`` are those of the desk below ``root`` (raises OSError); ``holds`` tells what is to stay all the same.

    ``holds`` gives also, in sentences, what could not be asked: then nothing may go, for nobody knows who needs it.
    """

    root: Path
    files: Callable[[], list_of[RetentionItem]]
    holds: Callable[[], tuple[Sequence[DataHold], Sequence[str]]]


class RetentionVerbs(ABC):
    """Stands on what the service has made."""

    _retention: RetentionHouse
    _loop: Loop

    @abstractmethod
    def list(self, text: str = "", kind: str | None = None) -> list_of[DataSetBrief]: ...

    @abstractmethod
    def show(self, name: str) -> DataSet: ...

    def retention(self, days: float | None = None, name: str | None = None) -> RetentionPlan:
        """Show what is older than it is to be kept. Raises Invalid, NotFound, Unavailable."""
        if days is not None and (not math.isfinite(days) or days < 0):
            raise Invalid(f"Nothing is kept for {days:g} days.", "Give --days a number from 0 on.")
        if name is not None:
            self.show(name)
        kept = {one.name: one.traits.retention_days for one in self.list()}
        files = self._loop.call("Looking through the logs", self._files, _LOOK_SECONDS)
        holds, missing = self._retention.holds()
        plan = planned(RetentionAsked(days, name), files, kept, holds, time.time())
        return replace(plan, missing=tuple(missing))

    def retain(self, token: str, days: float | None = None, name: str | None = None) -> RetentionDone:
        """Delete what was shown. Raises Refused where that is something else by now, or nobody knows who needs it."""
        plan = self.retention(days, name)
        if plan.missing:
            raise Refused(
                f"Nothing was deleted, for not all was told that may need it: {plan.missing[0]}", "Try again."
            )
        if plan.token != token:
            hint = Hint("mlops-desk data retention", after=" shows what would be deleted now, with the token of that.")
            raise Refused("Nothing was deleted: what would go is not what was shown.", hint)
        root = self._retention.root
        return self._loop.call("Deleting", lambda: _delete(root, plan), _DELETE_SECONDS)

    def _files(self) -> list_of[RetentionItem]:
        try:
            return self._retention.files()
        except OSError as error:
            raise Unavailable(f"The logs can't be looked through: {error.strerror}.") from error


def _delete(root: Path, plan: RetentionPlan) -> RetentionDone:
    try:
        return delete(root, plan.token, plan.items)
    except OSError as error:
        raise Unavailable(f"The data folder can't be opened: {error.strerror}. Nothing was deleted.") from error

"""What the audit hears of a verb that changes something: that it begins, before the act, and what became of it.

So of an act during which the agent is killed it is known that it was begun: the next agent finds it so.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.disk.free_space import disk_trouble
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.verbs.declaration import Verb

_LIMIT = 2000  # chosen: what a person reads of it; a job file's text is longer

Audit = Callable[[AuditEntry], None]


@runtime_checkable
class ToldOnce(Protocol):
    """An answer with a secret in it, told once, to who asked, and never written down."""

    def without_secrets(self) -> object:
        """Return the record as it may be written down."""
        ...


class Act:
    """One verb under way, of which ``audit`` is told each step."""

    def __init__(self, audit: Audit, verb: Verb, arguments: dict[str, Any]) -> None:
        caller = current_caller()
        self._audit = audit
        self._entry = AuditEntry(
            at=time.time(),
            uid=caller.uid,
            user=caller.user,
            verb=f"{verb.service}.{verb.word}",
            arguments=plain(wire.dumps(arguments), _LIMIT),
            id=uuid.uuid4().hex,
            state=AuditState.BEGAN,
        )

    def begins(self, before: object | None) -> None:
        """Note that it may be done, and how the thing is (None: nothing to show); return when that is kept."""
        told = None if before is None else plain(wire.dumps(before), _LIMIT)
        self._entry = replace(self._entry, before=told)
        self._audit(self._entry)

    def ends(self, result: object) -> None:
        """Note what it answers, without what is told once."""
        kept = result.without_secrets() if isinstance(result, ToldOnce) else result
        self._audit(replace(self._closed(), outcome=plain(wire.dumps(kept), _LIMIT)))

    def fails(self, error: DeskError) -> None:
        """Note what is told to who asked."""
        self._audit(replace(self._closed(), error=plain(error.message, _LIMIT)))

    def breaks(self, bug: Exception) -> None:
        """Note that a bug broke it off, somewhere between beginning and end."""
        why = f"The agent broke it off ({type(bug).__name__})."
        self._audit(replace(self._closed(), state=AuditState.UNKNOWN, why=why))

    def _closed(self) -> AuditEntry:
        return replace(self._entry, state=AuditState.ENDED, ended_at=time.time())


@contextmanager
def audited(audit: Audit, verb: Verb, arguments: dict[str, Any]) -> Iterator[Act]:
    """Give what is told of a verb, and note how it fails. Raises a DeskError for a disk that does not play along."""
    act = Act(audit, verb, arguments)
    try:
        yield act
    except DeskError as error:
        act.fails(error)
        raise
    except OSError as error:
        trouble = disk_trouble(error)
        if trouble is None:
            act.breaks(error)
            raise
        act.fails(trouble)
        raise trouble from error
    except Exception as error:
        act.breaks(error)
        raise

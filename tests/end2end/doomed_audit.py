"""An agent that ends itself by KILL at a named moment of a changing verb.

    python -m tests.end2end.doomed_audit ROOT POINT

A point is the moment before or after the audit keeps that something begins or ends, before or after a setting is
written, or before or after MLflow is asked to move an alias.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_desk.desk import agent_process
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.registry.aliases import moves


def _fits(state: str) -> Callable[..., bool]:
    """Tell whether a record is an audit entry in ``state`` about what the test asks for."""

    def fits(_table: object, record: object) -> bool:
        return (
            isinstance(record, AuditEntry)
            and record.state == state
            and record.verb in {"settings.set", "models.promote"}
        )

    return fits


def _always(*_: object) -> bool:
    return True


POINTS: dict[str, tuple[Any, str, Callable[..., bool], bool]] = {
    "before it is begun": (StoredRecords, "put", _fits("began"), True),
    "after it is begun": (StoredRecords, "put", _fits("began"), False),
    "before a setting is written": (SettingsStore, "set", _always, True),
    "after a setting is written": (SettingsStore, "set", _always, False),
    "before MLflow is asked": (moves, "_write", _always, True),
    "after MLflow answered": (moves, "_write", _always, False),
    "before it is ended": (StoredRecords, "put", _fits("ended"), True),
    "after it is ended": (StoredRecords, "put", _fits("ended"), False),
}


def doom(point: str) -> None:
    """Let this process be killed at ``point``."""
    place, name, fits, is_before = POINTS[point]
    inner = getattr(place, name)

    def call(*arguments: Any, **options: Any) -> Any:
        if not fits(*arguments[:2]):
            return inner(*arguments, **options)
        answer = None if is_before else inner(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(place, name, call)


if __name__ == "__main__":
    doom(sys.argv[2])
    sys.exit(agent_process.main(DataFolder(Path(sys.argv[1]))))

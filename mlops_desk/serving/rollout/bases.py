"""What was counted when each rollout's step began, kept for the next agent: the gateway goes on counting without one.

What a gateway has counted says nothing beside what another one has, so each is kept with whose it is.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops_desk.base import wire
from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.disk.patience import PatientWriter
from mlops_desk.base.errors import Invalid
from mlops_desk.serving.gateway.traffic import Snapshot

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepBase:
    """What a ``gateway`` had counted when a ``revision``'s step, begun at ``since`` (Unix time), was first seen."""

    revision: int
    since: float
    canary: Snapshot
    live: Snapshot
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    bases: dict[str, StepBase] = field(default_factory=dict)


class StepBases:
    """The file of them. What can't be read or written counts from when it is next seen, as the log says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._writer = PatientWriter("canaries")
        self._trouble: str | None = None

    def read(self) -> dict[str, StepBase]:
        """Return what was kept, by the endpoint's name."""
        try:
            return wire.loads(self._file.read_bytes(), _Kept).bases
        except FileNotFoundError:
            return {}
        except (OSError, Invalid) as error:
            _log.warning("What canaries had answered before can't be read, so it counts anew: %s", error)
            return {}

    def write(self, bases: Mapping[str, StepBase]) -> bool:
        """Keep them; return whether they are kept, so that it is tried again where they are not."""
        data = wire.dumps(_Kept(dict(bases))).encode()
        try:
            self._writer.do(lambda: write_atomically(self._file, data))
        except OSError as error:
            why = error.strerror or str(error)
            if why != self._trouble:
                _log.warning("After a restart canaries would count anew, because this can't be written: %s", why)
            self._trouble = why
            return False
        self._trouble = None
        return True

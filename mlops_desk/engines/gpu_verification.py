"""What was seen of GPUs inside containers, by engine: the only ground on which GPUs are said to work there.

One small file, which each proof of another day, level or set of GPUs writes anew.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mlops_desk.engines.discovery import same_address
from mlops_desk.engines.records.engine import GpuProof
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Invalid

_log = logging.getLogger(__name__)

_FRESH_SECONDS = 3600.0  # chosen: what is shown is the hour at most, and a busy queue writes no more often


class Proofs:
    """The proofs in ``path``, whose loss costs no more than the proofs. Safe to use from several threads."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, GpuProof] | None = None

    def all(self) -> Mapping[str, GpuProof]:
        """Return the newest proof of each engine, by ``same_address``."""
        with self._lock:
            return dict(self._loaded())

    def of(self, address: str) -> GpuProof | None:
        """Return the newest proof of the engine at an address; None: GPUs were never seen in its containers."""
        return self.all().get(same_address(address))

    def note(self, address: str, level: str, gpus: tuple[str, ...]) -> None:
        """Keep that these GPUs were seen in a container just now."""
        key, now = same_address(address), self._clock()
        with self._lock:
            known = self._loaded()
            last = known.get(key)
            if last is not None and (last.level, last.gpus) == (level, gpus) and now - last.at < _FRESH_SECONDS:
                return
            known[key] = GpuProof(level, gpus, now)
            try:
                write_atomically(self._path, wire.dumps(known, indent=2).encode())
            except OSError as error:
                _log.warning("That GPUs were seen in a container can't be kept: %s", error.strerror)

    def _loaded(self) -> dict[str, GpuProof]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> dict[str, GpuProof]:
        try:
            return wire.loads(self._path.read_bytes(), dict[str, GpuProof])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, Invalid) as error:
            _log.warning("Which engines hand over GPUs is forgotten: %s can't be read (%s).", self._path, error)
            return {}

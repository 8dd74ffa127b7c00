"""Who brought which image to an engine, and when it was last needed: what decides over clearing away.

An image that was there before anybody asked this desk for it is nobody's here, whoever asked since.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import set_aside, write_atomically
from mlops_desk.kit.base.errors import DeskError

_log = logging.getLogger(__name__)

_MOST = 5000  # chosen: years of pulls; what is gone from every engine is forgotten first
_NOTED_SECONDS = 600.0  # chosen: a use is dated to ten minutes, and the file is not written all the time


@dataclass(frozen=True, slots=True)
class Origin:
    """How an image came to an engine by this desk: "pulled" or "built", for whom, and when it was last needed."""

    origin: str
    uid: int
    user: str
    at: float
    used_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Document:
    origins: dict[str, Origin] = field(default_factory=dict)


class Origins:
    """Kept in ``file``. Safe to use from several threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._known = _read(file)

    def of(self, engine: str, image_id: str) -> Origin | None:
        """Return how an image came; None for one that this desk did not bring."""
        with self._lock:
            return self._known.get(_key(engine, image_id))

    def note(self, engine: str, image_id: str, origin: Origin) -> None:
        """Remember who brought an image. The first one who did stays."""
        with self._lock:
            if _key(engine, image_id) in self._known:
                return
            self._known[_key(engine, image_id)] = origin
            for key in list(self._known)[: max(0, len(self._known) - _MOST)]:
                del self._known[key]
            self._write()

    def forget(self, engine: str, image_id: str) -> None:
        """Forget an image that is gone: when it comes again, it is somebody else's or new."""
        with self._lock:
            if self._known.pop(_key(engine, image_id), None) is not None:
                self._write()

    def note_use(self, engine: str, image_ids: Iterable[str]) -> None:
        """Remember that images are needed now."""
        now, moved = time.time(), False
        with self._lock:
            for image_id in image_ids:
                known = self._known.get(_key(engine, image_id))
                if known is not None and not 0 <= now - (known.used_at or 0.0) < _NOTED_SECONDS:
                    self._known[_key(engine, image_id)] = replace(known, used_at=now)
                    moved = True
            if moved:
                self._write()

    def _write(self) -> None:
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._file, wire.dumps(_Document(dict(self._known))).encode())
        except OSError as error:  # what is forgotten is kept as somebody else's: nothing is lost by it
            _log.warning("Who brought images can't be written down: %s", error)


def _key(engine: str, image_id: str) -> str:
    return f"{engine} {image_id}"


def _read(file: Path) -> dict[str, Origin]:
    try:
        return dict(wire.loads(file.read_bytes(), _Document).origins)
    except FileNotFoundError:
        return {}
    except (OSError, DeskError) as error:
        _log.warning("Who brought images can't be read, and is begun anew: %s", error)
        if file.exists():
            set_aside(file)
        return {}

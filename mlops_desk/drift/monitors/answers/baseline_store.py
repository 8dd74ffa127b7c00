"""What is kept of a monitor's answers beside its windows: what they are held against and what that taught, facts.

Each monitor has a folder of its own. What is there belongs to one key, the digest of what it was made for; anything
else in the folder is left over, and goes.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.drift.monitors.answers.worker_protocol import AnswersFacts
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import replace_durably, write_atomically
from mlops_desk.kit.base.errors import Invalid

_FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class KeptFacts:
    """Facts with the key of what they are of."""

    key: str
    facts: AnswersFacts


def key_of(monitor: Monitor) -> str:
    """Return the digest of all that decides what a monitor's answers are held against."""
    told = (monitor.model, monitor.answers, monitor.answers_reference, monitor.reference, monitor.renamed)
    return hashlib.sha256(wire.dumps([wire.to_builtins(one) for one in told]).encode()).hexdigest()[:32]


class AnswersShelf:
    """The folders. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reference(self, monitor: Monitor) -> Path | None:
        """Return the file of labelled answers that a monitor's are held against; None where none is kept."""
        return next(iter(sorted(self._place(monitor.id).glob(f"reference-{key_of(monitor)}.*"))), None)

    def put_reference(self, monitor: Monitor, made: Path) -> Path:
        """Keep a file that was made in another place, instead of any other."""
        place = self._place(monitor.id)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = place / f"reference-{key_of(monitor)}{made.suffix or '.data'}"
        fresh = place / f".{kept.name}.new"  # a name that nobody looks for: a kill may leave half of it
        shutil.copyfile(made, fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        replace_durably(fresh, kept)
        for other in (*place.glob("reference-*"), *place.glob(".reference-*"), *place.glob("learned-*")):
            if other != kept:
                other.unlink(missing_ok=True)
        return kept

    def learned(self, monitor: Monitor) -> Path | None:
        """Return the file of what was learned of a monitor's reference; None where it was not yet."""
        found = self._place(monitor.id) / f"learned-{key_of(monitor)}.json"
        return found if found.exists() else None

    def put_learned(self, monitor: Monitor, made: Path) -> None:
        """Keep what was learned of the reference, instead of any other."""
        place = self._place(monitor.id)
        kept = place / f"learned-{key_of(monitor)}.json"
        write_atomically(kept, made.read_bytes(), mode=0o600)
        for other in place.glob("learned-*.json"):
            if other != kept:
                other.unlink(missing_ok=True)

    def facts(self, monitor: Monitor) -> AnswersFacts:
        """Return what is known of all windows of a monitor."""
        try:
            kept = wire.loads((self._place(monitor.id) / _FACTS).read_bytes(), KeptFacts)
        except (FileNotFoundError, Invalid):  # of a version that wrote it otherwise: the next scoring writes it anew
            return AnswersFacts()
        return kept.facts if kept.key == key_of(monitor) else AnswersFacts()

    def put_facts(self, monitor: Monitor, facts: AnswersFacts) -> None:
        """Keep what is known of all windows."""
        place = self._place(monitor.id)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(place / _FACTS, wire.dumps(KeptFacts(key_of(monitor), facts)).encode(), mode=0o600)

    def forget(self, monitor_id: str) -> None:
        """Delete what is kept of a monitor."""
        shutil.rmtree(self._place(monitor_id), ignore_errors=True)

    def _place(self, monitor_id: str) -> Path:
        return self._folder / monitor_id

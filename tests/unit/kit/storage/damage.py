"""A state database full of records, ways to damage its file, and what of it must be readable afterwards."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.incident import Incident

PAGE = 4096


def fill_state(path: Path, jobs: int = 150, *, rounds: int = 1) -> list[Job]:
    """Write records of several kinds, a big job among them; return the jobs. More rounds write all of them again."""
    state = State(path)
    made = [
        Job(f"job{number:04}", "train", JobState.SUCCEEDED, JobSpec("train", "image", command=(random.Random(number).randbytes(size(number)).hex(),)),
            float(number), 0, "me")
        for number in range(jobs)
    ]  # fmt: skip
    for _ in range(rounds):
        for job in made:
            state.jobs.put(job)
            state.incidents.put(Incident(f"i-{job.id}", job.submitted_at, "job", "info", f"Job {job.id} ended"))
            state.audit.put(AuditEntry(job.submitted_at, 0, "me", "jobs.submit", "{}", None, None, id=f"a-{job.id}"))
        state.rules.put(Rule("nightly", "churn", "champion", "auc", data={}))
    state.close()
    return made


def size(number: int) -> int:
    return 6000 if number % 20 == 3 else 150


@dataclass(frozen=True)
class Damage:
    """What was done to a file, and the pages that it touched (from 1)."""

    name: str
    pages: frozenset[int]


def flips(data: bytearray, rng: random.Random) -> Damage:
    """Turn 1 to 20 bits round."""
    places = [rng.randrange(len(data)) for _ in range(rng.randint(1, 20))]
    for place in places:
        data[place] ^= 1 << rng.randrange(8)
    return Damage(f"bits turned round at {places}", frozenset(place // PAGE + 1 for place in places))


def cut(data: bytearray, rng: random.Random) -> Damage:
    """Take the end of the file away."""
    left = rng.randrange(1, len(data))
    pages = frozenset(range(left // PAGE + 1, len(data) // PAGE + 2))
    del data[left:]
    return Damage(f"cut to {left} bytes", pages)


def zeroed(data: bytearray, rng: random.Random) -> Damage:
    """Write zeros over 1 to 4 pages."""
    return _overwritten(data, rng, lambda: b"\0" * PAGE, "zeros")


def garbled(data: bytearray, rng: random.Random) -> Damage:
    """Write noise over 1 to 4 pages."""
    return _overwritten(data, rng, lambda: rng.randbytes(PAGE), "noise")


def headless(data: bytearray, rng: random.Random) -> Damage:
    """Write noise over the first page, which leads to all others."""
    data[:PAGE] = rng.randbytes(PAGE)
    return Damage("noise in page 1", frozenset({1}))


def _overwritten(data: bytearray, rng: random.Random, content: Callable[[], bytes], word: str) -> Damage:
    last = -(-len(data) // PAGE)  # what was cut before may have left less than one page
    pages = frozenset(rng.randrange(last) + 1 for _ in range(rng.randint(1, 4)))
    for page in pages:
        start = (page - 1) * PAGE
        end = min(page * PAGE, len(data))
        data[start:end] = content()[: end - start]
    return Damage(f"{word} in pages {sorted(pages)}", pages)


DAMAGES = (flips, cut, zeroed, garbled, headless)


def pages_of_jobs(path: Path) -> dict[str, frozenset[int]]:
    """Return the pages that each job lies on, by looking for its own bytes in the file: no parser has a part in it."""
    data = path.read_bytes()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT key, CAST(document AS BLOB) FROM jobs").fetchall()
    found = {}
    for key, document in rows:
        places, rest = [], document
        while rest:  # what flows over goes on after the four bytes that begin a page
            part = rest[: PAGE - 4] if places else _begun(data, rest)
            place = data.find(part)
            assert place >= 0, key
            places += [place, place + len(part) - 1]
            rest = rest[len(part) :]
        found[key] = frozenset(place // PAGE + 1 for place in places)
    return found


def _begun(data: bytes, document: bytes) -> bytes:
    """Return as much of the beginning of a document as stands in one piece."""
    length = len(document)
    while data.find(document[:length]) < 0:
        length -= 1
    return document[:length]

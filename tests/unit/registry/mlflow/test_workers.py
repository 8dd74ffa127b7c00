"""A worker has its whole deadline for an answer, and not longer however it answers."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.registry.mlflow import workers
from mlops_desk.registry.mlflow.workers import Worker

SLOW = """
import sys, time
print("{}", flush=True)
for line in sys.stdin:
    if "drip" in line:
        while True:
            sys.stdout.write(" ")
            sys.stdout.flush()
            time.sleep(0.05)
    sys.stdout.write('{"runs":')
    sys.stdout.flush()
    time.sleep(0.3)
    print("7}", flush=True)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker that begins its answer at once and ends it later."""
    monkeypatch.setattr(workers, "python_command", lambda *_: [sys.executable, "-c", SLOW])
    worker = Worker(tmp_path, 60.0, with_sql=False)
    yield worker
    worker.end()


def test_an_answer_that_comes_in_pieces_is_waited_for(worker: Worker) -> None:
    assert worker.ask({"verb": "runs"}, 60.0) == {"runs": 7}
    assert worker.ask({"verb": "runs"}, 60.0) == {"runs": 7}


def test_an_answer_that_drips_without_end_is_given_up(worker: Worker) -> None:
    with pytest.raises(TimedOut, match=r"no answer within 0\.5 s"):
        worker.ask({"verb": "drip"}, 0.5)

"""A process that records points as fast as it can, late ones among them, and says which are flushed; to be killed."""

import sys
from itertools import count
from pathlib import Path

from mlops_desk.kit.storage.history.points import pages
from mlops_desk.kit.storage.history.points import store as points
from mlops_desk.machine.records.history import SeriesName
from mlops_desk.machine.records.metric import Metric
from mlops_desk.machine.telemetry.history import disk as module
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.feature_series import Recorded
from mlops_desk.machine.telemetry.history.memory import Ring

START = 1_764_000_000.0
METRIC = Metric("endpoint.requests", "endpoint", "1/s", "gauge", 1.0, 0.0, 1e9, "Requests a second.")
NAMES = [SeriesName("endpoint", f"e{number}", METRIC.name) for number in range(6)]
LATE = 700


def place_of(turn: int) -> int:
    """Return the second of a turn's point: every fifth comes twelve minutes late, in a second of its own."""
    return turn if turn % 5 else turn - LATE * 5


def main() -> None:
    points.BATCHES_A_MERGE, pages.ROWS_A_PAGE = 3, 16
    module._REST_SECONDS = 0.001
    recorded = Recorded((METRIC,))
    history = DiskHistory(Path(sys.argv[1]), Ring(), lambda notice: sys.exit(notice.text), recorded=recorded)
    for turn in count(int(sys.argv[2])):
        for name in NAMES:
            recorded.record(name, [(START + place_of(turn), float(turn % 4096))])
        if turn % 10 == 9:
            history.flush()
            sys.stdout.write(f"{turn}\n")
            sys.stdout.flush()
            history.pack(0.02)


if __name__ == "__main__":
    main()

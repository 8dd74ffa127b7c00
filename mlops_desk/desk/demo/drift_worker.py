"""The worker that compares the demonstration's past: ``python -m mlops_desk.desk.demo.drift_worker``, once on stdin.

Request: {"reference": path, "moved": [share, …], "folder": path}: for each share a window is written whose columns
have moved by so much of what the newest requests have, and compared. The answer is a list of DriftReports.
"""

import os
from pathlib import Path
from typing import Any

from mlops_desk.desk.demo import data
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.worker import compare_files
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.process import serve_one

MODULE = "mlops_desk.desk.demo.drift_worker"
_LEAST_PRIORITY = 19  # of nice(2)
_ROWS = 1000  # as the monitor's own windows


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    folder, options = Path(request["folder"]), DriftOptions(require_all_columns=False)
    reports = []
    for number, moved in enumerate(request["moved"]):
        current = folder / f"window-{number}.csv"
        data.write_window(float(moved), number, _ROWS, current)
        reports.append(compare_files(Path(request["reference"]), current, options, request["folder"]))
        current.unlink()
    return wire.to_builtins(reports)


if __name__ == "__main__":
    os.nice(_LEAST_PRIORITY)  # whoever looks at the demonstration comes first
    serve_one(answer)

"""The table of cells, the job that trains on it, and an agent that watches what its model is asked.

The table is one that scikit-learn ships, with numbers, a category, true and false, dates and missing values.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.end2end.desk import Desk
from tests.end2end.test_alert_scenarios import Receiver

WINDOW = 150
SPEC = """
apiVersion: mlops-desk/v1
kind: Job
name: train-cells
image: {image}
command: [python3, /code/train_cells.py]
env: {{OMP_NUM_THREADS: "1"}}
resources: {{cpus: 2, memory: 2GiB}}
mounts:
  - {{source: code, target: /code, mode: ro}}
  - {{source: data, target: /data, mode: ro}}
mlflow: {{experiment: cells}}
"""


def cells() -> Any:
    """Return the table: 569 rows of cell nuclei, with columns of other kinds made of them."""
    import numpy as np
    import pandas as pd
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    some = np.random.default_rng(3)
    found = pd.DataFrame({
        "radius": frame["mean radius"],
        "texture": frame["mean texture"],
        "smoothness": frame["mean smoothness"],
        "symmetry": frame["mean symmetry"].where(some.random(len(frame)) > 0.1),
        "clinic": some.choice(["north", "south", "east"], len(frame), p=[0.5, 0.3, 0.2]),
        "is_large": frame["mean area"] > 700,
        "seen": pd.Timestamp("2026-01-01") + pd.to_timedelta(some.integers(0, 300, len(frame)), unit="D"),
        "benign": frame["target"],
    })  # fmt: skip
    return found.sample(frac=1.0, random_state=1).reset_index(drop=True)


def records(rows: Any) -> list[dict[str, Any]]:
    """Return rows as a caller sends them: dates as text, what lacks as null."""
    return json.loads(rows.drop(columns="benign").to_json(orient="records", date_format="iso"))  # type: ignore[no-any-return]  # JSON


def project(folder: Path) -> Path:
    """Lay out the job's code and data in a folder; return it."""
    (folder / "data").mkdir()
    (folder / "code").mkdir()
    cells().to_csv(folder / "data" / "cells.csv", index=False)
    shutil.copy(Path(__file__).with_name("train_cells.py"), folder / "code")
    return folder


@contextmanager
def watching(folder: Path, receiver: Receiver) -> Iterator[Desk]:
    """Give an agent whose monitors look each five seconds and whose alerts go to a webhook; what it served goes."""
    desk = Desk(folder)
    for key, value in (
        ("jobs.mount_roots", "~ /tmp"), ("drift.window_rows", str(WINDOW)), ("drift.check_seconds", "5"),
        ("alerts.webhook_private", "on"), ("alerts.webhook", receiver.address),
    ):  # fmt: skip
        desk.json("settings", "set", key, value)
    yield desk
    for endpoint in desk.json("endpoints", "list"):
        desk.json("endpoints", "remove", endpoint["name"])
    desk.stop()

"""Runs as other trackers write them: with their own packages, or (Trackio) by its own tables."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TRACKIO_TABLES = """
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
    step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
CREATE TABLE configs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL, config TEXT NOT NULL,
    created_at TEXT NOT NULL, UNIQUE(run_id));
CREATE TABLE system_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
    metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
"""
"""As Trackio 0.43 makes them."""
OLD_TRACKIO_TABLES = """
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT NOT NULL, run_name TEXT NOT NULL, step INTEGER NOT NULL,
    metrics TEXT NOT NULL);
"""
"""As Trackio 0.2 made them: a run is its name, and there is no configuration."""
WANDB_PROGRAM = """
import json, math, sys
import wandb
run = wandb.init(project="digits", name=sys.argv[1], config=json.loads(sys.argv[2]), tags=["night"], notes="second try")
for step in range(30):
    run.log({"loss": 1 / (step + 1), "odd": math.nan if step % 7 == 0 else float(step), "val/acc": step / 30})
run.log({"note": "hello", "shape": wandb.Histogram([1, 2, 3])})
run.summary["best"] = 0.5
run.finish(exit_code=int(sys.argv[3]))
"""


def wandb_run(folder: Path, name: str, config: Mapping[str, Any], code: int = 0) -> Path:
    """Let W&B's own package write an offline run; return its file."""
    before = set(folder.glob("wandb/offline-run-*/*.wandb"))
    environment = {
        **os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(folder), "HOME": str(folder),
        "WANDB__DISABLE_STATS": "true",
    }  # fmt: skip
    command = [sys.executable, "-c", WANDB_PROGRAM, name, json.dumps(config), str(code)]
    subprocess.run(command, env=environment, cwd=folder, timeout=600, check=True, capture_output=True)
    (made,) = set(folder.glob("wandb/offline-run-*/*.wandb")) - before
    return made


def trackio_project(file: Path, tables: str = TRACKIO_TABLES) -> sqlite3.Connection:
    """Make a project's file, as Trackio does; the caller closes it."""
    connection = sqlite3.connect(file)
    connection.executescript(tables)
    return connection


def trackio_points(
    connection: sqlite3.Connection,
    run: str,
    points: Sequence[Mapping[str, Any]],
    name: str | None = None,
    first: int = 0,
) -> None:
    """Log points, one a second from 2026-01-01 on, as Trackio writes them."""
    connection.executemany(
        "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)",
        [(run, f"2026-01-01T00:00:{step:02d}+00:00", name or run, step, json.dumps(point))
         for step, point in enumerate(points, first)],
    )  # fmt: skip
    connection.commit()


class EventFile:
    """An event file of TensorBoard, by its own writer."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder))

    def scalar(self, tag: str, step: int, value: float, *, at: float | None = None, tensor: bool = False) -> None:
        """Write a number as TensorFlow 1 and PyTorch do, or (``tensor``) as TensorFlow 2 does."""
        from tensorboard.compat.proto import summary_pb2, tensor_pb2, tensor_shape_pb2

        if tensor:
            metadata = summary_pb2.SummaryMetadata(
                plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars")
            )
            shape = tensor_shape_pb2.TensorShapeProto()
            number = tensor_pb2.TensorProto(dtype=1, tensor_shape=shape, float_val=[value])
            one = summary_pb2.Summary.Value(tag=tag, tensor=number, metadata=metadata)
        else:
            one = summary_pb2.Summary.Value(tag=tag, simple_value=value)
        self._event(step, one, at)

    def text(self, tag: str) -> None:
        """Write something that is no number."""
        from tensorboard.compat.proto import summary_pb2

        self._event(0, summary_pb2.Summary.Value(tag=tag, image=summary_pb2.Summary.Image(height=1, width=1)), None)

    def hparams(self, values: Mapping[str, Any]) -> None:
        """Write hyperparameters as the HParams plugin does, and that the session has succeeded."""
        from tensorboard.compat.proto import summary_pb2
        from tensorboard.plugins.hparams import metadata, plugin_data_pb2

        started = plugin_data_pb2.SessionStartInfo()
        for name, value in values.items():
            kind = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
            setattr(started.hparams[name], kind, value)
        ended = plugin_data_pb2.SessionEndInfo(status=1)
        told = {
            metadata.SESSION_START_INFO_TAG: plugin_data_pb2.HParamsPluginData(session_start_info=started),
            metadata.SESSION_END_INFO_TAG: plugin_data_pb2.HParamsPluginData(session_end_info=ended),
        }
        for tag, data in told.items():
            described = metadata.create_summary_metadata(data)
            self._event(0, summary_pb2.Summary.Value(tag=tag, metadata=described), None)

    def _event(self, step: int, value: Any, at: float | None) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2

        wall = time.time() if at is None else at
        self._writer.add_event(event_pb2.Event(wall_time=wall, step=step, summary=summary_pb2.Summary(value=[value])))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

"""The files that the demo's runs have left: a model as MLflow writes it, a plot, a table and notes, all small."""

import json
import math
import struct
import zlib
from pathlib import Path

from mlops_desk.desk.demo import data
from mlops_desk.registry.records.model import Run

_SIDE = 192  # chosen: pixels of the plot, seen well and small
_ROWS = 40  # chosen: a screenful
_MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    env: {{conda: conda.yaml, virtualenv: python_env.yaml}}
    loader_module: mlflow.lightgbm
    python_version: 3.12.8
  lightgbm:
    data: model.lgb
    lgb_version: 4.6.0
    model_class: lightgbm.basic.Booster
mlflow_version: 3.5.1
model_id: m-{model}
run_id: {run}
signature:
  inputs: '[{{"type": "double", "name": "age", "required": true}}, {{"type": "string", "name": "plan"}}]'
  outputs: '[{{"type": "double", "required": true}}]'
  params: '[{{"name": "threshold", "type": "double", "default": 0.5, "shape": null}}]'
saved_input_example_info: {{artifact_path: input_example.json, type: dataframe, pandas_orient: split}}
"""


def write(folder: Path, run: Run) -> None:
    """Write what a run has left below ``folder``, where each run has a folder of its own; once."""
    where = folder / run.run_id
    if where.exists():
        return
    model = where / "model"
    model.mkdir(parents=True)
    texts = {
        "MLmodel": _MLMODEL.format(model=data.model_id(run.run_id).removeprefix("m-"), run=run.run_id),
        "requirements.txt": "mlflow==3.5.1\nlightgbm==4.6.0\nnumpy==2.3.4\n",
        "python_env.yaml": "python: 3.12.8\nbuild_dependencies: [pip]\ndependencies: [-r requirements.txt]\n",
        "model.lgb": "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\n",
        "input_example.json": json.dumps({"columns": ["age", "plan"], "data": [[41.0, "pro"]]}),
    }
    for name, text in texts.items():
        (model / name).write_text(text, encoding="utf-8")
    metrics = {name: round(value, 6) for name, value in run.metrics.items()}
    (where / "metrics.json").write_text(json.dumps({"metrics": metrics, "params": dict(run.params)}, indent=2))
    (where / "notes.md").write_text(f"# {run.name}\n\nTrained on the whole table; the plot shows one class each.\n")
    (where / "predictions.csv").write_text(_table())
    (where / "confusion.png").write_bytes(_plot())


def _table() -> str:
    rows = (f"{at},{20 + at % 50},{'pro' if at % 3 else 'free'},{math.sin(at) ** 2:.4f}" for at in range(_ROWS))
    return "\n".join(("id,age,plan,score", *rows)) + "\n"


def _plot() -> bytes:
    """Return a PNG of four squares, two dark and two light, as a confusion matrix has them."""
    half = _SIDE // 2
    dark, light = bytes((38, 70, 83)), bytes((233, 236, 239))
    rows = [(dark * half + light * half) if y < half else (light * half + dark * half) for y in range(_SIDE)]
    pixels = b"".join(b"\0" + row for row in rows)
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

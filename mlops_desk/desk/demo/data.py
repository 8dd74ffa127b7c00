"""What the simulated workstation works on: images, jobs, models, rules, and data of which some columns moved."""

import math
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_desk.kit.storage.requests import LogWindow

_SEED = 1  # chosen: any will do, as long as it is the same each time
_ROWS = 2000  # chosen: enough for each measure of drift to be sure
_PLANS, _PLANS_NOW = (0.5, 0.35, 0.15), (0.3, 0.33, 0.37)  # chosen: the share of one plan doubles

_TENURE_DAY, _LOSS_DAY, _STILL_DAY = 9.0, 8.0, 5.0  # chosen: one comes after the other, and days lie between them
_MOST_LOST = 0.22  # chosen: far beyond the share from which on a loss alarms, and most values are still there

Values = npt.NDArray[np.float64] | list[str]
Table = dict[str, Values]
LOSES = "data_usage_gb"
"""The column whose values come less and less."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How far requests are from what the model was trained on: shares (0-1) of how far tenure and plans have moved.

    ``lost`` is the share of rows without a value of ``LOSES``; ``calls_stand``: all support_calls are 0, as where what
    counts them stood still.
    """

    tenure: float = 0.0
    plans: float = 0.0
    lost: float = 0.0
    calls_stand: bool = False


IMAGES = ("lab/pytorch:2.9", "lab/tabular:1.4")

# name, experiment, metric, versions, champion
MODELS = (
    ("churn", "churn", "auc", 3, 3),
    ("resnet50", "vision", "accuracy", 6, 6),
    ("mistral-support", "llm", "rouge_l", 3, 2),
)

RULES: tuple[dict[str, Any], ...] = (
    {"name": "keep-churn-fresh", "model": "churn", "metric": "auc", "endpoint": "churn-prod"},
)


def _job(name: str, image: str, command: str, gpus: int, experiment: str | None = None, *more: str) -> str:
    words = ", ".join(command.split())
    lines = (
        "apiVersion: mlops-desk/v1",
        "kind: Job",
        f"name: {name}",
        f"image: {image}",
        f"command: [{words}]",
        f"resources: {{gpus: {gpus}, memory: 8GiB}}",
        *([f"mlflow: {{experiment: {experiment}}}"] if experiment else []),
        *more,
    )
    return "\n".join(lines) + "\n"


TRAINED = "train-churn"
JOBS = (
    _job("prepare-shards", "lab/tabular:1.4", "python prepare.py", 0),
    _job(TRAINED, "lab/tabular:1.4", "python train_churn.py", 0, "churn"),
    _job("finetune-support", "lab/pytorch:2.9", "python finetune.py --lora", 1),
    _job("train-resnet50", "lab/pytorch:2.9", "python train_resnet.py --epochs 120", 0, None, "timeLimit: 2h"),
    _job("vit-large", "lab/pytorch:2.9", "python train_resnet.py --model vit", 1, "vision", "timeLimit: 90m"),
    _job("sweep-lr", "lab/pytorch:2.9", "python train_resnet.py --lr '{lr}'", 1, "vision", "timeLimit: 45m",
         "sweep: {grid: {lr: [0.1, 0.03, 0.01, 0.003]}, metric: accuracy, goal: maximize}"),
    _job("pretrain-base", "lab/pytorch:2.9", "python train_resnet.py --scratch", 3, "vision", "timeLimit: 8h"),
    _job("distil-support", "lab/pytorch:2.9", "python finetune.py --distil", 2, None, "timeLimit: 30m"),
    _job("sweep-llm", "lab/pytorch:2.9", "python train_resnet.py --sweep", 8),
)  # fmt: skip
"""What runs, has failed, and waits, with and without an end that is known; a sweep, of which some run at once."""


def run_id(model: str, version: int) -> str:
    """Return the id of the run that made a version of a model."""
    number = next(place for place, (name, *_) in enumerate(MODELS) if name == model)
    return uuid.UUID(int=(number << 64) + version).hex


def model_id(run: str) -> str:
    """Return the id of the logged model of a run: a run's first and last letters tell it from the others."""
    return f"m-{run[12:16]}{run[-8:]}"


def metric_of(model: str, version: int) -> float:
    """Return the value of the metric by which a model's versions are compared: each a little better, as a rule."""
    random = generator(int(run_id(model, version), 16) % (1 << 32) + version)
    return min(0.78 + 0.02 * version + float(random.normal(0, 0.004)), 0.995)


def generator(seed: int) -> np.random.Generator:
    """Return the demo's source of chance: the same on every start."""
    return np.random.default_rng(seed)


def write_reference(endpoint: str, folder: Path) -> Path:
    """Write the data that the endpoint's model was trained on, once."""
    path = folder / f"{endpoint}.csv"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(_table(generator(_SEED), tenure=0.0, plans=_PLANS), path)
    return path


def write_current(endpoint: str, rows: int, target: Path) -> LogWindow:
    """Write what the endpoint was asked lately: for the churn model columns have moved, as its monitors see them."""
    random = generator(_SEED + (4 if endpoint == "churn-prod" else 3))
    table = table_of(moved_at(endpoint, math.inf), random, _ROWS)
    _write({name: values[:rows] for name, values in table.items()}, target)
    return LogWindow(min(rows, _ROWS), None, None)


def write_window(moved: float, number: int, rows: int, target: Path) -> None:
    """Write requests of which two columns have moved by a share (0-1) of how far they are by now."""
    table = table_of(Moved(tenure=moved, plans=moved), generator(_SEED + number), _ROWS)
    _write({name: values[:rows] for name, values in table.items()}, target)


def moved_at(endpoint: str, days: float) -> Moved:
    """Return how an endpoint's requests stood so many days after the version that answers them was trained."""
    if endpoint == "churn-prod":  # its model is a week old
        share = min(1.0, max(0.0, (days - 2.0) / 5.0))
        return Moved(tenure=share, plans=share)
    if endpoint == "churn-eu":  # its model is two weeks old
        tenure = 0.0 if days < _TENURE_DAY else min(1.0, 0.6 + (days - _TENURE_DAY) / 10.0)
        lost = _MOST_LOST * min(1.0, max(0.0, (days - _LOSS_DAY) / (14.0 - _LOSS_DAY)))
        return Moved(tenure=tenure, lost=lost, calls_stand=_STILL_DAY <= days < _STILL_DAY + 1 / 3)
    return Moved()


def table_of(moved: Moved, random: np.random.Generator, rows: int) -> Table:
    """Return rows that have moved so far; what is lost of a column is empty."""
    plans = [before + moved.plans * (now - before) for before, now in zip(_PLANS, _PLANS_NOW, strict=True)]
    table = _table(random, 9.0 * moved.tenure, (plans[0], plans[1], 1 - plans[0] - plans[1]), rows)
    if moved.calls_stand:
        table["support_calls"] = np.zeros(rows)
    if moved.lost:
        gone = random.random(rows) < moved.lost
        table[LOSES] = np.where(gone, np.nan, np.asarray(table[LOSES], dtype=np.float64))
    return table


def _table(random: np.random.Generator, tenure: float, plans: tuple[float, float, float], rows: int = _ROWS) -> Table:
    return {
        "tenure_months": random.gamma(4.0, 6.0, rows) + tenure,
        "monthly_charge": random.normal(64.0, 18.0, rows),
        "support_calls": random.poisson(1.3, rows).astype(float),
        "data_usage_gb": random.lognormal(2.0, 0.7, rows),
        "age": random.normal(44.0, 13.0, rows).clip(18, 90),
        "plan": [str(plan) for plan in random.choice(["basic", "plus", "premium"], rows, p=plans)],
    }


def _write(table: Table, path: Path) -> None:
    rows = zip(*table.values(), strict=True)
    lines = [",".join(table), *(",".join("" if value != value else str(value) for value in row) for row in rows)]  # noqa: PLR0124 - nan alone differs from itself
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

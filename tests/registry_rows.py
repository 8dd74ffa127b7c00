"""The rows of the test stores, as (table, columns, values): no database is known here."""

import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

Rows = Iterable[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]

EXPERIMENT = ("experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time")
RUN = ("run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status", "start_time",
       "end_time", "source_version", "lifecycle_stage", "artifact_uri", "experiment_id", "deleted_time")  # fmt: skip
TEXT = ("key", "value", "run_uuid")
LATEST = ("key", "value", "timestamp", "step", "is_nan", "run_uuid")
METRIC = ("key", "value", "timestamp", "run_uuid", "step", "is_nan")
LOGGED_MODEL = ("model_id", "experiment_id", "name", "artifact_location", "creation_timestamp_ms",
                "last_updated_timestamp_ms", "status", "lifecycle_stage", "source_run_id")  # fmt: skip
INPUT = ("input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step")
DATASET = ("dataset_uuid", "experiment_id", "name", "digest", "dataset_source_type", "dataset_source",
           "dataset_schema")  # fmt: skip
MODEL = ("name", "creation_time", "last_updated_time", "description")
MODEL_TAG = ("key", "value", "name")
VERSION = ("name", "version", "creation_time", "last_updated_time", "description", "user_id", "current_stage",
           "source", "run_id", "status")  # fmt: skip
VERSION_TAG = ("key", "value", "name", "version")
ALIAS = ("alias", "version", "name")

LARGEST = 1.7976931348623157e308  # what MLflow writes for an infinity
BEGINNING = 1_700_000_000_000
_AT_ONCE = 1000  # runs whose rows are made together
_N_STEPS = 20
_LONG = 100_000  # points of the ten long curves


def new_id(chance: random.Random) -> str:
    return uuid.UUID(int=chance.getrandbits(128)).hex


def large_rows(n_runs: int, in_first: int, *, with_history: bool) -> Rows:
    """Yield an ordinary large store: 51 experiments, 11 metrics, 10 params and 6 tags a run, one in fifty deleted.

    With history: 20 steps of each metric, ten runs with 100,000 of one, and 500 models with 10 versions each.
    """
    chance, numbers = random.Random(n_runs), np.random.default_rng(n_runs)
    of_twenty = 20 * in_first // n_runs
    # Experiment 0 is MLflow's own, the 50 others have what the first does not.
    yield "experiments", EXPERIMENT, ((n, f"experiment {n:02}", f"mlflow-artifacts:/{n}", "active", BEGINNING, BEGINNING)
                                      for n in range(1, 51))  # fmt: skip
    ids: list[str] = []
    for begin in range(0, n_runs, _AT_ONCE):
        these = [new_id(chance) for _ in range(min(_AT_ONCE, n_runs - begin))]
        ids += these
        yield from _large_runs(these, begin, of_twenty, numbers, with_history=with_history)
    if with_history:
        yield from _long_curves(ids[:10], numbers)
        yield from _large_models(ids, chance)


def _large_runs(ids: list[str], begin: int, of_twenty: int, numbers: Any, *, with_history: bool) -> Rows:
    def runs() -> Iterator[Sequence[Any]]:
        for at, run_id in enumerate(ids, begin):
            place = 1 if at % 20 < of_twenty else 2 + at % 49
            start = BEGINNING + at * 60_000
            stage = "deleted" if at % 50 == 49 else "active"
            yield (run_id, f"run-{at}", "LOCAL", "train.py", "", f"user{at % 7}", "FAILED" if at % 33 == 0 else "FINISHED",
                   start, start + 50_000, "", stage, f"mlflow-artifacts:/{place}/{run_id}/artifacts", place,
                   start if stage == "deleted" else None)  # fmt: skip

    values = numbers.random((len(ids), 11, _N_STEPS))
    yield "runs", RUN, runs()
    yield (
        "params",
        TEXT,
        ((f"param{p}", _param(p, at), run_id) for at, run_id in enumerate(ids, begin) for p in range(10)),
    )
    yield "tags", TEXT, ((key, value, run_id) for at, run_id in enumerate(ids, begin) for key, value in _tags(at))
    if with_history:
        yield "metrics", METRIC, ((_metric(m), float(values[n, m, step]), BEGINNING + at * 60_000 + step * 1000, run_id, step, 0)
                                  for n, (at, run_id) in enumerate(zip(range(begin, begin + len(ids)), ids, strict=True))
                                  for step in range(_N_STEPS) for m in range(11))  # fmt: skip
    yield "latest_metrics", LATEST, ((_metric(m), float(values[n, m, -1]), BEGINNING + at * 60_000 + 19_000, 19, 0, run_id)
                                     for n, (at, run_id) in enumerate(zip(range(begin, begin + len(ids)), ids, strict=True))
                                     for m in range(11))  # fmt: skip


def _metric(number: int) -> str:
    return "auc" if number == 0 else f"metric{number}"


def _param(number: int, at: int) -> str:
    """Return few different values, as sweeps have; the first parameter is a number that nearly every run has its own."""
    return f"{(at * 7919 % 99991) / 1e5:.5f}" if number == 0 else f"value{at * (number + 3) % (4 * number)}"


def _tags(at: int) -> Iterator[tuple[str, str]]:
    yield "mlflow.runName", f"run-{at}"
    yield "mlflow.user", f"user{at % 7}"
    yield "mlflow.source.name", "train.py"
    yield "mlflow.source.type", "LOCAL"
    yield "mlflow.source.git.commit", f"{at // 100:040x}"
    yield "team", ("vision", "text", "tabular")[at % 3]


def _long_curves(ids: list[str], numbers: Any) -> Rows:
    for run_id in ids:
        values = numbers.random(_LONG).cumsum().tolist()
        yield "metrics", METRIC, (("long", value, BEGINNING + step * 10, run_id, step, 0)
                                  for step, value in enumerate(values))  # fmt: skip
        yield "latest_metrics", LATEST, [("long", values[-1], BEGINNING + (_LONG - 1) * 10, _LONG - 1, 0, run_id)]


def _large_models(ids: list[str], chance: random.Random) -> Rows:
    models = [f"m-{new_id(chance)}" for _ in range(5000)]
    names = [f"model-{number:03}" for number in range(500)]
    yield "logged_models", LOGGED_MODEL, ((model, 1, "model", f"mlflow-artifacts:/1/models/{model}/artifacts", BEGINNING,
                                           BEGINNING, 2, "active", ids[at]) for at, model in enumerate(models))  # fmt: skip
    yield "inputs", INPUT, ((new_id(chance), "RUN_OUTPUT", ids[at], "MODEL_OUTPUT", model, 0)
                            for at, model in enumerate(models))  # fmt: skip
    yield "registered_models", MODEL, ((name, BEGINNING, BEGINNING, f"What {name} does") for name in names)
    yield (
        "registered_model_tags",
        MODEL_TAG,
        ((key, f"{key} of {name}", name) for name in names for key in ("owner", "task")),
    )
    yield "model_versions", VERSION, ((name, number, BEGINNING + number * 1000, BEGINNING, "", f"user{number % 7}", "None",
                                       f"models:/{models[10 * at + number - 1]}", ids[10 * at + number - 1], "READY")
                                      for at, name in enumerate(names) for number in range(1, 11))  # fmt: skip
    yield "model_version_tags", VERSION_TAG, ((key, "yes", name, number) for name in names for number in range(1, 11)
                                              for key in ("validated", "signed"))  # fmt: skip
    yield "registered_model_aliases", ALIAS, ((alias, number, name) for name in names
                                              for alias, number in (("champion", 8), ("challenger", 10)))  # fmt: skip


def small_rows(n_runs: int, seed: int) -> Rows:
    """Yield an unfriendly store: NaN and infinities, ties, gaps, odd names, deleted and nested runs, datasets, prompts."""
    from tests.registry_odd_rows import odd_rows

    return odd_rows(n_runs, random.Random(seed))

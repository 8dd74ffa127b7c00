"""The rows of the unfriendly test store: every oddity that MLflow's own checks let into its tables."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from tests.registry_rows import (
    ALIAS,
    BEGINNING,
    DATASET,
    EXPERIMENT,
    INPUT,
    LARGEST,
    LATEST,
    LOGGED_MODEL,
    METRIC,
    MODEL,
    MODEL_TAG,
    RUN,
    TEXT,
    VERSION,
    VERSION_TAG,
    Rows,
    new_id,
)

EXPERIMENTS = ((1, "digits", "active"), (2, "<b>bold</b> & {braces}", "active"), (3, "größe, ünïcode 🚀 \u202eback", "active"),
               (4, "empty", "active"), (5, "gone", "deleted"))  # fmt: skip
STATUSES = ("FINISHED", "FINISHED", "FINISHED", "FAILED", "KILLED", "RUNNING", "SCHEDULED")
NAMES = (
    "same name",
    "same name",
    "run",
    "<img src=x onerror=alert(1)>",
    "ünïcode 🚀",
    "\u202eback",
    "a'b\"c`d",
    None,
    "",
)
MODELS = (
    "plain",
    "with space",
    "größe",
    "model.with.dots",
    "UPPER",
    "upper",
    "no-versions",
    "<i>markup</i>",
    "100%_sure",
)
TIMES = (0, 1, 4_102_444_800_000, BEGINNING, BEGINNING)
"""1970, 2100, and ties. (Where none is written MLflow itself can read no run any more.)"""


def odd_rows(n_runs: int, chance: random.Random) -> Rows:
    """Yield ``n_runs`` runs in five experiments, and nine models with a prompt among them."""
    yield "experiments", EXPERIMENT, [(n, name, f"mlflow-artifacts:/{n}", stage, BEGINNING, BEGINNING + n)
                                      for n, name, stage in EXPERIMENTS]  # fmt: skip
    yield "experiment_tags", ("key", "value", "experiment_id"), [("mlflow.note.content", "# What this *is*", 1)]
    ids = [new_id(chance) for _ in range(n_runs)]
    yield "runs", RUN, [_run(run_id, at, chance) for at, run_id in enumerate(ids)]
    yield "params", TEXT, [(key, value, run_id) for at, run_id in enumerate(ids) for key, value in _params(at, chance)]
    yield "tags", TEXT, [(key, value, run_id) for at, run_id in enumerate(ids) for key, value in _tags(at, ids, chance)]
    points = [point for run_id in ids for point in _points(run_id, chance)]
    yield "metrics", METRIC, points
    yield "latest_metrics", LATEST, list(latest(points).values())
    yield from _data(ids, chance)
    yield from _models(ids, chance)


def latest(points: Sequence[Any]) -> dict[tuple[str, str], Any]:
    """Return the last point of each run's metric as MLflow decides it: by step, time, value."""
    found: dict[tuple[str, str], Any] = {}
    for key, value, time, run_id, step, is_nan in points:
        kept = found.get((run_id, key))
        if kept is None or (step, time, value) > (kept[3], kept[2], kept[1]):
            found[run_id, key] = (key, value, time, step, is_nan, run_id)
    return found


def _run(run_id: str, at: int, chance: random.Random) -> Sequence[Any]:
    place = 5 if at % 40 == 17 else chance.choice((0, 1, 1, 1, 2, 3))
    status = chance.choice(STATUSES)
    start = TIMES[at % 5] if at % 11 == 0 else BEGINNING + chance.randrange(60) * 60_000
    end = None if status in {"RUNNING", "SCHEDULED"} else start + chance.randrange(100_000)
    deleted = BEGINNING + at if place == 5 or at % 13 == 5 else None
    return (run_id, _name(at), "LOCAL", "train.py", "", chance.choice(("ada", "bob", "")), status, start, end, "",
            "active" if deleted is None else "deleted", f"mlflow-artifacts:/{place}/{run_id}/artifacts", place,
            deleted)  # fmt: skip


def _name(at: int) -> str | None:
    return NAMES[at % len(NAMES)] if at % 3 == 0 else f"run-{at}"


def _params(at: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    yield "lr", chance.choice(("0.1", "0.10", "1e-3", "1E-3", "0.0001", "nan", "auto"))
    if at % 4:
        yield "optimizer", chance.choice(("adam", "sgd", "SGD", "ad%m", "ad_m"))
    if at % 5 == 0:
        yield "class", "None"
    if at % 7 == 0:
        yield "empty", ""
    if at % 50 == 3:
        yield "long", "x" * 6000
    if at % 6 == 1:
        yield "größe / a.b-c: d", "10"
    if at % 9 == 2:
        yield "config", '{"a": [1, 2], "b": "<script>alert(1)</script>"}'


def _tags(at: int, ids: Sequence[str], chance: random.Random) -> Iterator[tuple[str, str]]:
    if (name := _name(at)) is not None:
        yield "mlflow.runName", name
    elif at % 2:
        yield "mlflow.runName", "only a tag"
    yield "mlflow.user", chance.choice(("ada", "bob"))
    if at % 8 == 7:
        yield "mlflow.parentRunId", ids[at - at % 8]
    elif at % 100 == 98:
        yield "mlflow.parentRunId", "0" * 32  # purged meanwhile
    if at % 3:
        yield "team", chance.choice(("vision", "Vision", "text", "", "a\nb", "\u202eevil", 'it\'s "quoted"'))
    if at % 10 == 4:
        yield "nothing", ""
    if at % 30 == 1:
        yield "mlflow.note.content", "**bold** <b>markup</b>\n\n| a | b |"


def _points(run_id: str, chance: random.Random) -> Iterator[Sequence[Any]]:
    for key, share in (("auc", 0.9), ("loss", 0.8), ("val/loss with space", 0.3), ("größe", 0.2), ("huge", 0.1)):
        if chance.random() > share:
            continue
        seen = set()
        for _ in range(chance.randrange(1, 8)):
            step = chance.choice((-5, 0, 0, 1, 2, 3, 10, 2**40))
            time = chance.choice((0, 1, BEGINNING, 4_102_444_800_000))
            value, is_nan = _value(key, chance)
            if (time, step, value, is_nan) not in seen:
                seen.add((time, step, value, is_nan))
                yield key, value, time, run_id, step, is_nan


def _value(key: str, chance: random.Random) -> tuple[float, int]:
    if key == "auc":
        return chance.randrange(20) / 20, 0  # many ties
    if key == "huge":
        return chance.choice((1e308, -1e308, 5e-324, LARGEST, -LARGEST)), 0
    found = chance.choice(("nan", "inf", "-inf", "zero", "number", "number", "number"))
    special = {"nan": (0.0, 1), "inf": (LARGEST, 0), "-inf": (-LARGEST, 0), "zero": (0.0, 0)}
    return special.get(found) or (chance.gauss(0, 1), 0)


def _data(ids: Sequence[str], chance: random.Random) -> Rows:
    data = [(new_id(chance), "digits", "d1", '{"uri": "/data/a.csv"}', '{"mlflow_colspec": []}'),
            (new_id(chance), "digits", "d2", "{}", None),
            (new_id(chance), "odd <name> & 'quotes'", "0" * 36, "not json", "x" * 10_000)]  # fmt: skip
    yield (
        "datasets",
        DATASET,
        [(one, 1, name, digest, "local", source, schema) for one, name, digest, source, schema in data],
    )
    inputs, tags = [], []
    for at, run_id in enumerate(ids):
        for number in range(at % 3):
            inputs.append((new_id(chance), "DATASET", data[number][0], "RUN", run_id, 0))
            if number == 0:
                tags.append((inputs[-1][0], "mlflow.data.context", "training"))
                tags.append((inputs[-1][0], "other", "tag"))
    yield "inputs", INPUT, inputs
    yield "input_tags", ("input_uuid", "name", "value"), tags


def _models(ids: Sequence[str], chance: random.Random) -> Rows:
    logged = [f"m-{new_id(chance)}" for _ in ids[:20]]
    yield "logged_models", LOGGED_MODEL, [(model, 1, "model", f"mlflow-artifacts:/1/models/{model}/artifacts", BEGINNING,
                                           BEGINNING, at % 4, "active", run_id)
                                          for at, (model, run_id) in enumerate(zip(logged, ids, strict=False))]  # fmt: skip
    yield "inputs", INPUT, [(new_id(chance), "RUN_OUTPUT", run_id, "MODEL_OUTPUT", model, 0)
                            for model, run_id in zip(logged, ids, strict=False)]  # fmt: skip
    yield "registered_models", MODEL, [(name, BEGINNING, None if at == 2 else BEGINNING + at, None if at % 2 else f"About **{name}**")
                                       for at, name in enumerate((*MODELS, "a prompt"))]  # fmt: skip
    yield "registered_model_tags", MODEL_TAG, [("owner", "ada", "plain"), ("empty", "", "plain"), ("größe", "x" * 5000, "größe"),
                                               ("mlflow.prompt.is_prompt", "true", "a prompt")]  # fmt: skip
    sources = (lambda n: f"models:/{logged[n % len(logged)]}", lambda n: f"runs:/{ids[n % len(ids)]}/model",
               lambda n: f"mlflow-artifacts:/1/{ids[n % len(ids)]}/artifacts/model", lambda n: None)  # fmt: skip
    versions = [(name, number, BEGINNING + number if number % 5 else None, BEGINNING, None if number % 2 else "About it",
                 ("ada", "bob", None)[number % 3], "Deleted_Internal" if number == 4 else ("None", "Production")[number % 2],
                 sources[number % 4](number), ids[number % len(ids)] if number % 6 else None,
                 ("READY", "READY", "PENDING_REGISTRATION", "FAILED_REGISTRATION")[number % 4])
                for at, name in enumerate(MODELS) if name != "no-versions" for number in (1, 2, 4, 9, 10, 11)[: 3 + at % 4]]  # fmt: skip
    prompt = [("a prompt", 1, BEGINNING, BEGINNING, None, None, "None", "dummy-source", None, "READY")]
    yield "model_versions", VERSION, versions + prompt
    yield "model_version_tags", VERSION_TAG, [("checked", "yes", "plain", 1), ("note", "<b>\n", "plain", 1),
                                              ("mlflow.prompt.is_prompt", "true", "a prompt", 1)]  # fmt: skip
    yield "registered_model_aliases", ALIAS, [("champion", 1, "plain"), ("best-ever", 1, "plain"), ("challenger", 2, "plain"),
                                              ("champion", 2, "UPPER"), ("champion", 1, "upper")]  # fmt: skip

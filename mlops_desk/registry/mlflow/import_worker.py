"""A worker that writes other trackers' runs into MLflow: ``python -m mlops_desk.registry.mlflow.import_worker``.

A run is imported once: it carries what it was made from as a tag. It is RUNNING until it is whole, and one that a crash
left half written is deleted and imported anew. What MLflow has no place for is told as a loss.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import parse_address
from mlops_desk.registry.foreign.history import UNKNOWN, ForeignRun
from mlops_desk.registry.foreign.reader_factory import open_reader
from mlops_desk.registry.mlflow.errors import tame
from mlops_desk.registry.mlflow.experiments import experiment_named
from mlops_desk.registry.mlflow.worker import MEMORY_LIMIT_BYTES, with_environment
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind

FROM_TAG = "mlops_desk.imported_from"
STATUS_TAG = "mlops_desk.imported_status"
_METRICS_AT_ONCE, _OTHERS_AT_ONCE = 1000, 100
"""What MLflow takes in one request (mlflow/utils/validation.py: MAX_METRICS_PER_BATCH, MAX_PARAMS_TAGS_PER_BATCH)."""
_LONGEST_NAME = 250  # characters: mlflow/utils/validation.py, MAX_ENTITY_KEY_LENGTH
_ODD = re.compile(r"[^\w\-. :/]", re.ASCII)
"""What a name may not have (mlflow/utils/validation.py: _VALID_PARAM_AND_METRIC_NAMES)."""
_MOST_LOSSES = 200  # chosen: of a thousand runs that all have lost a histogram the first ones tell enough


class Losses:
    """What did not come along, each once."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], None] = {}

    def add(self, what: str, why: str) -> None:
        self._told.setdefault((plain(what, 300), why))

    def told(self) -> list[dict[str, str]]:
        found = [{"what": what, "why": why} for what, why in list(self._told)[:_MOST_LOSSES]]
        if len(self._told) > _MOST_LOSSES:
            found.append({"what": f"{len(self._told) - _MOST_LOSSES:,} more", "why": "They are of the same kinds."})
        return found


def safe_name(name: str, taken: set[str], losses: Losses) -> str:
    """Return a name that MLflow takes and that is not ``taken`` yet; add it there."""
    made = _ODD.sub("_", name).strip("/. ")[:_LONGEST_NAME] or "_"
    made = "/".join(part for part in made.split("/") if part not in {"", ".", ".."}) or "_"
    unlike, number = made, 2
    while unlike in taken:
        unlike = f"{made[: _LONGEST_NAME - 8]}_{number}"
        number += 1
    taken.add(unlike)
    if unlike != name:
        losses.add(f"the name {name!r}", f"MLflow does not take it; it is {unlike!r} there.")
    return unlike


def import_run(client: Any, run: ForeignRun, experiment_id: str, losses: Losses) -> str:
    """Write one run and return its id."""
    tags = {**run.tags, FROM_TAG: run.run_id, STATUS_TAG: run.status, "mlflow.runName": run.name}
    if run.user:
        tags["mlflow.user"] = run.user
    made: str = client.create_run(experiment_id, start_time=run.start_ms, tags={FROM_TAG: run.run_id}).info.run_id
    _write_texts(client, made, run.params, tags, losses)
    taken: set[str] = set()
    for name in sorted(run.metrics):
        for points in _points(run, name, safe_name(name, taken, losses)):
            client.log_batch(made, metrics=points)
    _tell_losses(run, losses)
    status = "FINISHED" if run.status == UNKNOWN else run.status
    client.set_terminated(made, status, run.end_ms)
    return made


def _write_texts(client: Any, run_id: str, params: Mapping[str, str], tags: Mapping[str, str], losses: Losses) -> None:
    from mlflow.entities import Param, RunTag  # noqa: PLC0415 - loads MLflow, after the limits

    known: set[str] = set()
    made = [Param(safe_name(name, known, losses), params[name]) for name in sorted(params)]
    for first in range(0, len(made), _OTHERS_AT_ONCE):
        client.log_batch(run_id, params=made[first : first + _OTHERS_AT_ONCE])
    known = set()
    told = [RunTag(safe_name(name, known, losses), tags[name]) for name in sorted(tags)]
    for first in range(0, len(told), _OTHERS_AT_ONCE):
        client.log_batch(run_id, tags=told[first : first + _OTHERS_AT_ONCE])


def _points(run: ForeignRun, name: str, named: str) -> Iterator[list[Any]]:
    from mlflow.entities import Metric  # noqa: PLC0415 - as above

    series = run.metrics[name]
    for first in range(0, len(series.values), _METRICS_AT_ONCE):
        part = slice(first, first + _METRICS_AT_ONCE)
        points = zip(series.values[part], series.times[part], series.steps[part], strict=True)
        yield [Metric(named, value, time_ms, step) for value, time_ms, step in points]


def _tell_losses(run: ForeignRun, losses: Losses) -> None:
    for name, count in sorted(run.skipped.items()):
        losses.add(f"{name} of {run.name} ({count:,} times)", "It is no number: pictures, histograms and texts stay.")
    if run.problem:
        losses.add(f"a part of {run.name}", run.problem)
    if run.status == UNKNOWN:
        losses.add("how the runs ended", f"Their tracker does not say. They are FINISHED there, with {STATUS_TAG}.")
    if run.status == "RUNNING":
        losses.add(f"what {run.name} has yet to write", "It was still running.")
    if run.folder is not None and Path(run.folder).is_dir() and any(Path(run.folder).iterdir()):
        losses.add(f"the files of {run.name}", f"They stay in {plain(run.folder, 300)}.")


def chosen(runs: Sequence[ForeignRun], wanted: Sequence[str]) -> list[ForeignRun]:
    """Return the wanted runs (by id or the beginning of one, or by name); none named: all. Raises NotFound."""
    if not wanted:
        return list(runs)
    found: dict[str, ForeignRun] = {}
    for word in wanted:
        those = [run for run in runs if run.name == word or (len(word) >= 6 and run.run_id.startswith(word))]
        if not those:
            raise NotFound(f"There is no run {plain(word)} there.", "List them: runs list, with the same --uri.")
        found.update({run.run_id: run for run in those})
    return list(found.values())


def _earlier(client: Any, experiment_id: str, run: ForeignRun) -> str | None:
    """Return the run that was imported before; delete what was left half written."""
    text = f'tags."{FROM_TAG}" = "{run.run_id}"'
    for known in client.search_runs([experiment_id], text):
        if known.info.status != "RUNNING":
            return str(known.info.run_id)
        client.delete_run(known.info.run_id)
    return None


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Import runs; return the ids of each, there and here, and what was lost."""
    limit_memory(MEMORY_LIMIT_BYTES)
    with_environment(request["environment"], repeat=False)
    from mlops_desk.registry.mlflow import client as mlflow  # noqa: PLC0415 - loads MLflow, after the limits

    path = Path(request["path"])
    reader = open_reader(RegistrySource(TrackerKind(request["kind"]), str(path), plain(str(path), 400), path))
    for _ in reader.batches():
        pass
    address, losses, made = parse_address(request["uri"]), Losses(), []
    try:
        client = mlflow.open_client(address)
        for run in chosen(reader.all_runs(), request["runs"]):
            experiment_id = experiment_named(client, address, request["experiment"] or run.experiment)
            known = _earlier(client, experiment_id, run)
            if known is not None:
                losses.add(run.name, "It was imported before and is left as it is.")
            made.append((run.run_id, known or import_run(client, run, experiment_id, losses)))
    except Exception as error:
        raise tame(error, address) from error
    return {"runs": made, "losses": losses.told()}


if __name__ == "__main__":
    serve_one(work)

"""What is written by the MLflow client: aliases, tags, descriptions, versions, deleted and restored runs.

Each does one thing and answers with how it stands then. Nothing of MLflow is imported: the client is handed over.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import parse_address
from mlops_desk.registry.mlflow.errors import tame
from mlops_desk.registry.records.labels import RunStage

_EXISTS = {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"}
_MODEL_FILE = "MLmodel"
_AT_ONCE = 4  # as many questions at a time as an MLflow server has workers, where it was not told another number


def remove_alias(client: Any, name: str, alias: str) -> None:
    client.delete_registered_model_alias(name, alias)


def tag_model(client: Any, name: str, version: str | None, key: str, value: str | None) -> None:
    """Write a tag of a model or version; ``value`` None takes it away."""
    if version is None and value is None:
        client.delete_registered_model_tag(name, key)
    elif version is None:
        client.set_registered_model_tag(name, key, value)
    elif value is None:
        client.delete_model_version_tag(name, version, key)
    else:
        client.set_model_version_tag(name, version, key, value)


def describe_model(client: Any, name: str, version: str | None, text: str) -> None:
    if version is None:
        client.update_registered_model(name, text)
    else:
        client.update_model_version(name, version, text)


def delete_model(client: Any, name: str, version: str | None) -> None:
    """Delete a model with all its versions, or one version; MLflow can't bring either back."""
    if version is None:
        client.delete_registered_model(name)
    else:
        client.delete_model_version(name, version)


def register(client: Any, name: str, run_id: str, path: str, files: Sequence[str]) -> str:
    """Register what a run has logged at ``path`` as a new version of a model; return its number.

    ``files`` lie there among the run's artifacts. Where no model does, it may be a logged one of that name (MLflow 3):
    the one of the largest step, as MLflow's own registering takes it.
    """
    run = client.get_run(run_id)
    model_id = None
    if _MODEL_FILE in {file.rpartition("/")[2] for file in files}:
        source = f"{run.info.artifact_uri.rstrip('/')}/{path}" if path else run.info.artifact_uri
    else:
        model_id = _logged_model(client, run, path)
        source = f"models:/{model_id}"
    _make_model(client, name)
    made = client.create_model_version(name, source, run_id, model_id=model_id)
    return str(made.version)


def _logged_model(client: Any, run: Any, path: str) -> str:
    outputs = sorted(run.outputs.model_outputs if run.outputs else [], key=lambda output: -output.step)
    named = [(output.model_id, client.get_logged_model(output.model_id).name) for output in outputs]
    found = next((model_id for model_id, name in named if name == path), None)
    if found is None:
        known = ", ".join(sorted({plain(name) for _, name in named}))
        text = f"Run {plain(run.info.run_id)} has logged no model at {plain(path)!r}."
        raise NotFound(text, f"Its models are {known}." if known else "It has logged none (mlflow.….log_model).")
    return str(found)


def _make_model(client: Any, name: str) -> None:
    try:
        client.create_registered_model(name)
    except Exception as error:
        if getattr(error, "error_code", None) not in _EXISTS:
            raise


def run_stage(client: Any, run_id: str) -> RunStage:
    info = client.get_run(run_id).info
    return RunStage(info.run_id, info.run_name or None, info.lifecycle_stage != "active")


def delete_run(client: Any, run_id: str) -> RunStage:
    """Mark a run as deleted; one that runs is left alone: its training would fail at its next metric."""
    _mark_deleted(client, run_id)
    return run_stage(client, run_id)


def _mark_deleted(client: Any, run_id: str) -> None:
    info = client.get_run(run_id).info
    if info.lifecycle_stage == "active" and info.status in {"RUNNING", "SCHEDULED"}:
        text = f"Run {plain(run_id)} is still {info.status.lower()}; its training would fail at the next metric."
        raise Refused(text, "End it first, or wait until it has ended.")
    client.delete_run(run_id)


def delete_runs(client: Any, run_ids: Sequence[str]) -> list[RunStage]:
    """Mark many runs as deleted, as ``delete_run`` does each; one that can't be is told with its problem.

    A server is asked some at a time. A store is not: its writers wait for one another.
    """
    at_once = _AT_ONCE if str(client.tracking_uri).startswith("http") else 1
    found: dict[str, RunStage] = {}

    def some(part: Sequence[str]) -> None:
        for run_id in part:
            found[run_id] = _deleted(client, run_id)

    loop = Loop("registry-deletes")
    parts = [run_ids[place::at_once] for place in range(min(at_once, len(run_ids)))]
    for thread in [loop.start("delete", partial(some, part)) for part in parts]:
        thread.join()  # the deadline is that of this process
    return [found[run_id] for run_id in run_ids]


def _deleted(client: Any, run_id: str) -> RunStage:
    try:
        _mark_deleted(client, run_id)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - MLflow raises whatever a server makes it raise; the others go on
        return RunStage(run_id, None, None, problem=tame(error, parse_address(client.tracking_uri)).message)
    return RunStage(run_id, None, True, changed=True)


def restore_run(client: Any, run_id: str) -> RunStage:
    client.restore_run(run_id)
    return run_stage(client, run_id)


def tag_run(client: Any, run_id: str, key: str, value: str | None) -> None:
    """Write a tag of a run; ``value`` None takes it away."""
    if value is None:
        client.delete_tag(run_id, key)
    else:
        client.set_tag(run_id, key, value)


WRITES: dict[str, Callable[..., Any]] = {
    "remove_alias": remove_alias,
    "tag_model": tag_model,
    "describe_model": describe_model,
    "delete_model": delete_model,
    "register": register,
    "delete_run": delete_run,
    "delete_runs": delete_runs,
    "restore_run": restore_run,
    "tag_run": tag_run,
}
"""None of them is repeated when no answer came."""

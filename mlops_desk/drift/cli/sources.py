"""What ``--reference`` and ``--current`` name, as a worker is asked for it: a file, a database's answer, data of a run.

``sql:ADDRESS`` with a query is a database. ``mlflow:RUN/NAME`` is a data set that a run logged, or a table among its
files, and ``models:/NAME/VERSION`` what a version was trained on; both are fetched by the agent, as files, into a
folder that is removed in the end.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.text import plain

_CONTEXTS = ("reference", "training", "train", "validation")
"""What a data set is logged as, the first that there is counting for a version."""
_SHOWN = 200  # chosen: what a run says of its data is text from outside
_FORMS = "Give a file, a folder, sql:ADDRESS with a query, mlflow:RUN/NAME or models:/NAME/VERSION."

Connect = Callable[[], Any]
"""Gives a client of the agent, which is closed in the end; raises DeskError."""


@dataclass(frozen=True, slots=True)
class GivenData:
    """One side as the command line has it; ``option`` and ``query_option`` are what it is called there."""

    text: str
    query: str | None
    option: str
    query_option: str


def side_of(given: GivenData, folder: Path, connect: Connect) -> Any:
    """Return a side for a worker: a path, or a source in JSON's types. Raises DeskError.

    What is fetched lies in ``folder``.
    """
    kind, _, rest = given.text.partition(":")
    if kind == "sql":
        if not given.query:
            raise Invalid(f"{given.option} is a database, without a query.", f"Give it with {given.query_option}.")
        return {"kind": "sql", "place": rest, "query": given.query}
    if given.query is not None:
        raise Invalid(
            f"{given.query_option} is for a database alone.", "Name it as sql:postgresql://USER@HOST/DATABASE."
        )
    if kind in {"mlflow", "models"}:
        folder.mkdir(mode=0o700)
        with closing(connect()) as client:
            run_id, name = _run_of(client, rest) if kind == "models" else _parted(rest)
            return str(_fetched(client, run_id, name, folder))
    path = Path(given.text).absolute()
    if not path.exists():
        raise Invalid(f"There is no file or folder {plain(str(path), 1000)}.", _FORMS)
    return str(path)


def _parted(rest: str) -> tuple[str, str]:
    run_id, _, name = rest.lstrip("/").partition("/")
    if not run_id or not name:
        raise Invalid(f"mlflow:{plain(rest, _SHOWN)} names no run with its data.", "Write mlflow:RUN/NAME.")
    return run_id, name


def _run_of(client: Any, rest: str) -> tuple[str, None]:
    """Return the run that a version was made by. Raises DeskError."""
    name, _, version = rest.strip("/").rpartition("/")
    if not name or not version:
        raise Invalid(f"models:{plain(rest, _SHOWN)} names no version.", "Write models:/NAME/VERSION.")
    found = next((one for one in client.models.versions(name) if one.version == version), None)
    if found is None:
        raise NotFound(f"{plain(name, _SHOWN)} has no version {plain(version, _SHOWN)}.", "models show lists them.")
    if not found.run_id:
        raise NotFound(f"Version {plain(version)} of {plain(name, _SHOWN)} names no run.", "Give its data as a file.")
    return found.run_id, None


def _fetched(client: Any, run_id: str, name: str | None, folder: Path) -> Path:
    """Fetch a run's data set, or where it has none of that name the file. Raises DeskError."""
    datasets = client.runs.datasets(run_id)
    dataset = _chosen(datasets, name)
    if dataset is not None:
        run_id, path = _in_run(dataset)
    elif name is not None:
        path = name
    else:
        hint = 'Log it while training: mlflow.log_input(dataset, context="training").'
        raise NotFound(f"Run {plain(run_id, _SHOWN)} has no dataset logged with it.", hint)
    return Path(client.runs.download(run_id, path, str(folder)).path)


def _chosen(datasets: Sequence[Any], name: str | None) -> Any:
    if name is not None:
        return next((one for one in datasets if one.name == name), None)
    in_order = [one for context in _CONTEXTS for one in datasets if one.context == context]
    return next(iter([*in_order, *datasets]), None)


def _in_run(dataset: Any) -> tuple[str, str]:
    """Return the run and the path of a data set that lies among a run's files. Raises Invalid: no other is opened."""
    from mlops_desk.drift.records.sources import address_in, place_in_run  # noqa: PLC0415 - files need no records

    found = place_in_run(str(dataset.source))
    if found is None:
        where = plain(address_in(str(dataset.source)) or "", _SHOWN)
        text = f"The data set {plain(dataset.name, _SHOWN)} lies where whoever logged it says: {where}."
        raise Invalid(text, "If that is a file here which you trust, give it as a file.")
    return found

"""Gathers what is known of runs and versions from their registry, and from what the rest of the program knows."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.base.errors import DeskError, Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.records.model import ModelVersion, Run
from mlops_desk.records.registry.comparison import ComparedValue
from mlops_desk.records.registry.model_files import ModelFileFacts
from mlops_desk.registry.comparing.code import CodeTree
from mlops_desk.registry.comparing.facts import ComparedFacts, facts_of, with_files, with_tags
from mlops_desk.registry.comparing.rows import compare
from mlops_desk.registry.mirror.protocol import MirrorClient

_log = logging.getLogger(__name__)
MOST_WITH_FILES = 10  # chosen: the files of each are fetched, which takes a server some tenths of a second

MOST_COMPARED = 100  # chosen: as many columns as a table still shows
FilesOf = Callable[[str, str, str | None], ModelFileFacts]
FilesOfLogged = Callable[[str, str | None], ModelFileFacts]


def _no_files(name: str, version: str, uri: str | None) -> ModelFileFacts:  # noqa: ARG001 - see ComparedOutside
    return ModelFileFacts(name, version, problem="nobody reads the files of models here")


def _no_files_logged(model_id: str, uri: str | None) -> ModelFileFacts:  # noqa: ARG001 - see ComparedOutside
    return ModelFileFacts("", "", problem="nobody reads the files of models here")


def _no_code(run_id: str) -> CodeTree | None:  # noqa: ARG001 - see ComparedOutside
    return None


@dataclass(slots=True)
class ComparedOutside:
    """What is asked of others: what the files of a version or of a logged model say, and the code that a run ran.

    The code is None where the desk keeps none of it: it did not start the run, or had no room for its snapshot.
    """

    files_of: FilesOf = _no_files
    files_of_logged: FilesOfLogged = _no_files_logged
    code_of: Callable[[str], CodeTree | None] = _no_code


def compared_runs(
    mirror: MirrorClient, run_ids: Sequence[str], uri: str | None, outside: ComparedOutside
) -> list[ComparedValue]:
    """Lay runs side by side. Raises NotFound for one that is not there."""
    runs = mirror.runs_of(run_ids)
    datasets = mirror.datasets(run_ids)
    found = [facts_of(run, datasets.get(run.run_id, ())) for run in runs]
    if len(runs) <= MOST_WITH_FILES:
        logged = {one.run_id: one.models_out for one in mirror.origins(run_ids)}
        found = [
            _with_files_of_run(one, mirror, run.run_id, logged.get(run.run_id, ()), uri, outside)
            for one, run in zip(found, runs, strict=True)
        ]
    return compare(found)


def _with_files_of_run(
    found: ComparedFacts,
    mirror: MirrorClient,
    run_id: str,
    logged: Sequence[str],
    uri: str | None,
    outside: ComparedOutside,
) -> ComparedFacts:
    """Add what the files of the version say that a run registered last, else those of what it logged last."""
    versions = mirror.versions_of_run(run_id)
    if versions:
        return _with_model(found, versions[-1], uri, outside)
    return _with_logged(found, logged[-1], uri, outside) if logged else found


def compared_versions(
    mirror: MirrorClient, asked: Sequence[tuple[str, str]], uri: str | None, outside: ComparedOutside
) -> list[ComparedValue]:
    """Lay versions (each a model, and a number or an alias) side by side. Raises NotFound."""
    versions = [find_version(mirror, name, version) for name, version in asked]
    runs = _runs_there(mirror, list(dict.fromkeys(one.run_id for one in versions if one.run_id is not None)))
    datasets = mirror.datasets(list(runs)) if runs else {}
    found = []
    for version in versions:
        run = None if version.run_id is None else runs.get(version.run_id)
        # The run was purged, or never was one: what the version itself says is left.
        facts = ComparedFacts() if run is None else facts_of(run, datasets.get(run.run_id, ()))
        if len(versions) <= MOST_WITH_FILES:
            facts = _with_model(facts, version, uri, outside)
        found.append(with_tags(facts, version.tags))
    return compare(found)


def named_version(model: str, text: str) -> tuple[str, str]:
    """Return the model and version that NAME/VERSION, or VERSION of ``model``, means."""
    name, slash, version = text.rpartition("/")
    return (name, version) if slash else (model, text)


def _runs_there(mirror: MirrorClient, run_ids: Sequence[str]) -> Mapping[str, Run]:
    """Return those of these runs that are there; as a rule all of them, which is one question."""
    try:
        return {run.run_id: run for run in mirror.runs_of(run_ids)} if run_ids else {}
    except NotFound:
        if len(run_ids) == 1:
            _log.info("The run %s is gone", plain(run_ids[0]))
            return {}
    half = len(run_ids) // 2
    return {**_runs_there(mirror, run_ids[:half]), **_runs_there(mirror, run_ids[half:])}


def find_version(mirror: MirrorClient, name: str, wanted: str) -> ModelVersion:
    """Return the version of a model that a number or an alias means. Raises NotFound."""
    versions = mirror.versions(name)
    found = next((one for one in versions if one.version == wanted or wanted in one.aliases), None)
    if found is None:
        numbers = ", ".join(one.version for one in versions[:10])
        raise NotFound(f"Model {plain(name)} has no version {plain(wanted)}.", f"Its versions are {numbers or 'none'}.")
    return found


def _with_model(
    found: ComparedFacts, version: ModelVersion, uri: str | None, outside: ComparedOutside
) -> ComparedFacts:
    return _with_told(found, lambda: outside.files_of(version.name, version.version, uri))


def _with_logged(found: ComparedFacts, model_id: str, uri: str | None, outside: ComparedOutside) -> ComparedFacts:
    return _with_told(found, lambda: outside.files_of_logged(model_id, uri))


def _with_told(found: ComparedFacts, files_of: Callable[[], ModelFileFacts]) -> ComparedFacts:
    """Add what the files of a model say; where they can't be read, the rest is compared all the same."""
    try:
        return with_files(found, files_of())
    except DeskError as error:
        _log.info("The files of a model can't be compared: %s", error.message)
        return found


def named_runs(run_ids: Sequence[str], least: int, most: int) -> list[str]:
    """Return the runs that are to be compared, each once. Raises Invalid."""
    named = list(dict.fromkeys(one.strip() for one in run_ids))
    if not least <= len(named) <= most or not all(named):
        raise Invalid(f"Name {least} to {most} different runs by their ids, not {len(named)}.")
    return named


def tags_of(mirror: MirrorClient, run_id: str) -> Mapping[str, str]:
    return mirror.runs_of([run_id])[0].tags

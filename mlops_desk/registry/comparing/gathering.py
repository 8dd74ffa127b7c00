"""Gathers what is known of runs and versions from their registry, and from what the rest of the program knows."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.base.errors import DeskError, Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.registry.comparison import ComparedValue
from mlops_desk.records.registry.model_files import ModelFileFacts
from mlops_desk.registry.comparing.code import CodeTree
from mlops_desk.registry.comparing.facts import ComparedFacts, facts_of, with_files, with_tags
from mlops_desk.registry.comparing.rows import compare
from mlops_desk.registry.mirror.protocol import MirrorClient

_log = logging.getLogger(__name__)
MOST_WITH_FILES = 10  # chosen: the files of each are fetched, which takes a server some tenths of a second

FilesOf = Callable[[str, str, str | None], ModelFileFacts]


def _no_files(name: str, version: str, uri: str | None) -> ModelFileFacts:  # noqa: ARG001 - see ComparedOutside
    return ModelFileFacts(name, version, problem="nobody reads the files of models here")


def _no_code(run_id: str) -> CodeTree | None:  # noqa: ARG001 - see ComparedOutside
    return None


@dataclass(slots=True)
class ComparedOutside:
    """What is asked of others: what the files of a version say (model, version, uri), and the code that a run ran.

    The code is None where the desk keeps none of it: it did not start the run, or had no room for its snapshot.
    """

    files_of: FilesOf = _no_files
    code_of: Callable[[str], CodeTree | None] = _no_code


def compared_runs(
    mirror: MirrorClient, run_ids: Sequence[str], uri: str | None, outside: ComparedOutside
) -> list[ComparedValue]:
    """Lay runs side by side. Raises NotFound for one that is not there."""
    runs = mirror.runs_of(run_ids)
    datasets = mirror.datasets(run_ids)
    found = [facts_of(run, datasets.get(run.run_id, ())) for run in runs]
    if len(runs) <= MOST_WITH_FILES:
        found = [
            _with_model(one, _last_version(mirror, run.run_id), uri, outside)
            for one, run in zip(found, runs, strict=True)
        ]
    return compare(found)


def compared_versions(
    mirror: MirrorClient, asked: Sequence[tuple[str, str]], uri: str | None, outside: ComparedOutside
) -> list[ComparedValue]:
    """Lay versions (each a model, and a number or an alias) side by side. Raises NotFound."""
    versions = [find_version(mirror, name, version) for name, version in asked]
    return compare([_of_version(mirror, one, uri, outside) for one in versions])


def find_version(mirror: MirrorClient, name: str, wanted: str) -> ModelVersion:
    """Return the version of a model that a number or an alias means. Raises NotFound."""
    versions = mirror.versions(name)
    found = next((one for one in versions if one.version == wanted or wanted in one.aliases), None)
    if found is None:
        numbers = ", ".join(one.version for one in versions[:10])
        raise NotFound(f"Model {plain(name)} has no version {plain(wanted)}.", f"Its versions are {numbers or 'none'}.")
    return found


def _of_version(
    mirror: MirrorClient, version: ModelVersion, uri: str | None, outside: ComparedOutside
) -> ComparedFacts:
    found = ComparedFacts()
    if version.run_id is not None:
        try:
            (run,) = mirror.runs_of([version.run_id])
            found = facts_of(run, mirror.datasets([run.run_id]).get(run.run_id, ()))
        except NotFound:  # the run was purged: what the version itself says is left
            _log.info("The run of %s version %s is gone", plain(version.name), plain(version.version))
    return with_tags(_with_model(found, version, uri, outside), version.tags)


def _last_version(mirror: MirrorClient, run_id: str) -> ModelVersion | None:
    found = mirror.versions_of_run(run_id)
    return found[-1] if found else None


def _with_model(
    found: ComparedFacts, version: ModelVersion | None, uri: str | None, outside: ComparedOutside
) -> ComparedFacts:
    """Add what the files of a version say; where they can't be read, the rest is compared all the same."""
    if version is None:
        return found
    try:
        files = outside.files_of(version.name, version.version, uri)
    except DeskError as error:
        _log.info("The files of %s version %s: %s", plain(version.name), plain(version.version), error.message)
        return found
    return with_files(found, files)


def named_runs(run_ids: Sequence[str], least: int, most: int) -> list[str]:
    """Return the runs that are to be compared, each once. Raises Invalid."""
    named = list(dict.fromkeys(one.strip() for one in run_ids))
    if not least <= len(named) <= most or not all(named):
        raise Invalid(f"Name {least} to {most} different runs by their ids, not {len(named)}.")
    return named


def tags_of(mirror: MirrorClient, run_id: str) -> Mapping[str, str]:
    return mirror.runs_of([run_id])[0].tags

"""Gathers what is known of runs and versions from their registry, and from what the rest of the program knows."""

import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.comparison.code import CodeTree
from mlops_desk.registry.comparison.direction import LOWER, direction
from mlops_desk.registry.mirror.protocol import MirrorClient
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue
from mlops_desk.registry.records.model import DatasetInput, ModelVersion, Run
from mlops_desk.registry.records.model_files import ModelFileFacts, SignatureColumn

# All that is known of one run or version, by groups, as it is laid beside others. Pure.
_OURS = "mlops_desk."
_ENVIRONMENT = {
    "mlflow.user": "user",
    "mlflow.docker.image.uri": "image",
    "mlflow.docker.image.id": "image id",
    "mlflow.project.env": "project environment",
    f"{_OURS}image": "image",
    f"{_OURS}image_id": "image id",
    f"{_OURS}image_digest": "image digest",
    f"{_OURS}packages_sha256": "packages (sha256)",
    f"{_OURS}driver": "driver",
    f"{_OURS}gpus": "GPUs",
    f"{_OURS}gpu_models": "GPU models",
}
_CODE = {
    "mlflow.source.name": "source",
    "mlflow.source.type": "source type",
    "mlflow.source.git.commit": "git commit",
    "mlflow.source.git.branch": "git branch",
    "mlflow.source.git.repoURL": "git repository",
    "mlflow.source.git.dirty": "git dirty",
    "mlflow.gitRepoURL": "git repository",
    "mlflow.gitBranch": "git branch",
    "mlflow.project.entryPoint": "entry point",
    f"{_OURS}git_dirty": "git dirty",
    f"{_OURS}source_sha256": "code (sha256)",
}
_NOISE = frozenset({"mlflow.log-model.history", "mlflow.runName", "mlflow.runColor"})
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?\s*([^;#]*)")
_NORMAL = re.compile(r"[-_.]+")  # names of packages are the same whatever of these stands in them (PEP 503)
_EXACT = "=="


@dataclass(frozen=True, slots=True)
class ComparedFacts:
    """The values of one of those that are compared, by their names in each group."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    signature: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)


def facts_of(run: Run, datasets: Iterable[DatasetInput] = (), files: ModelFileFacts | None = None) -> ComparedFacts:
    """Return what is known of a run: what it logged, and what the files of its model say (None: not known)."""
    found = ComparedFacts(
        metrics=dict(run.metrics),
        params=dict(run.params),
        tags={key: value for key, value in run.tags.items() if _is_tag(key)},
        data=_data(datasets),
        environment=_renamed(run.tags, _ENVIRONMENT),
        code=_renamed(run.tags, _CODE),
    )
    return found if files is None else with_files(found, files)


def with_files(found: ComparedFacts, files: ModelFileFacts) -> ComparedFacts:
    """Add what the files of a model say: its environment and its signature."""
    environment = {**found.environment, **requirements(files.requirements)}
    told = {"python": files.python_version, "mlflow (writer)": files.mlflow_version}
    flavors = {f"flavor {name}": _flavor(facts) for name, facts in files.flavors.items() if name != "python_function"}
    known = {key: value for key, value in told.items() if value is not None}
    return replace(found, environment={**environment, **known, **flavors}, signature=_signature(files))


def with_tags(found: ComparedFacts, tags: Mapping[str, str]) -> ComparedFacts:
    """Add the tags of a version, which count more than those of its run."""
    return replace(found, tags={**found.tags, **tags})


def requirements(lines: Sequence[str]) -> dict[str, str]:
    """Return what a requirements file asks for: the version where one is pinned, else the condition as it stands."""
    found: dict[str, str] = {}
    for line in lines:
        matched = _REQUIREMENT.match(line.strip())
        if matched is None:
            continue
        name, extras, condition = matched.group(1), matched.group(2) or "", matched.group(3).strip()
        version = condition.removeprefix(_EXACT).strip() if condition.count(",") == 0 else condition
        found[_NORMAL.sub("-", name).lower() + extras] = version or "any"
    return found


def _is_tag(key: str) -> bool:
    return key not in _NOISE and key not in _ENVIRONMENT and key not in _CODE


def _renamed(tags: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: tags[key] for key, name in names.items() if key in tags}


def _data(datasets: Iterable[DatasetInput]) -> dict[str, str]:
    """Return the datasets by what they were used for, so that two of different names stand in one row."""
    by_use: dict[str, set[str]] = {}
    for dataset in datasets:
        by_use.setdefault(dataset.context or "dataset", set()).add(f"{dataset.name} ({dataset.digest})")
    return {use: ", ".join(sorted(found)) for use, found in by_use.items()}


def _flavor(facts: Mapping[str, str]) -> str:
    version = next((value for key, value in sorted(facts.items()) if key.endswith("_version")), None)
    return version or "there"


def _signature(files: ModelFileFacts) -> dict[str, str]:
    parts = (("input", files.inputs), ("output", files.outputs), ("parameter", files.params))
    return {
        f"{part} {column.name or number}": _column(column)
        for part, columns in parts
        for number, column in enumerate(columns or (), 1)
    }


def _column(column: SignatureColumn) -> str:
    shape = "" if column.shape is None else f" {list(column.shape)}"
    return f"{column.type}{shape}{'' if column.is_required else ', optional'}"


# When two values are the same. Pure.
# Parameters are kept as text: "0.1" and "0.10" are one learning rate, and "True" of Python is "true" of YAML. So is a
# number of any size, which is why nothing is rounded to a float. Tags, versions and digests are what their text says:
# "3.10" is another Python than "3.1", and "0e1" another hash than "0e2".
Value = float | str | None

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_LONGEST = 400  # chosen: longer than any number that a program prints
_WORDS = {"true": True, "false": False}
_UNBOUND = {"nan": "nan", "inf": "inf", "infinity": "inf"}


def same_text(a: Value, b: Value) -> bool:
    """Tell whether two texts say the same; what is missing is not empty."""
    return a == b


def same_number(a: Value, b: Value) -> bool:
    """Tell whether two values of a metric are the same: NaN is NaN, and what is missing is nothing else."""
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    return a == b


def same_parameter(a: Value, b: Value) -> bool:
    """Tell whether two values of a parameter mean the same."""
    if a == b or not isinstance(a, str) or not isinstance(b, str):
        return a == b
    left = _meaning(a)
    return left is not None and left == _meaning(b)


def _meaning(text: str) -> tuple[str, object] | None:
    """Return what a text stands for, if it is more than a text: a number, a truth value, NaN or an infinity."""
    stripped = text.strip()
    lowered = stripped.lower()
    if lowered in _WORDS:
        return "truth", _WORDS[lowered]
    unsigned = lowered.lstrip("+-") if lowered[:1] in {"+", "-"} else lowered
    if unsigned in _UNBOUND:
        kind = _UNBOUND[unsigned]
        return kind, lowered.startswith("-") and kind == "inf"
    if len(stripped) > _LONGEST or _NUMBER.fullmatch(stripped) is None:
        return None
    try:
        return "number", Decimal(stripped)
    except InvalidOperation:
        return None


# Lays runs or versions side by side: a row for each thing that any of them has, and whether it differs. Pure.
_LONGEST_VALUE = 2000  # chosen: a cell that is cut still differs by its end, and a page of text is read elsewhere
_SYSTEM = "system/"  # begins the names of what MLflow measures of the machine


def compare(compared: Sequence[ComparedFacts]) -> list[ComparedValue]:
    """Return all rows, by their groups; those of the machine's own metrics stand last in theirs."""
    groups: tuple[tuple[ComparedGroup, list[Mapping[str, Value]], Callable[[Value, Value], bool]], ...] = (
        (ComparedGroup.METRICS, [one.metrics for one in compared], same_number),
        (ComparedGroup.PARAMS, [one.params for one in compared], same_parameter),
        (ComparedGroup.TAGS, [one.tags for one in compared], same_text),
        (ComparedGroup.DATA, [one.data for one in compared], same_text),
        (ComparedGroup.ENVIRONMENT, [one.environment for one in compared], same_text),
        (ComparedGroup.SIGNATURE, [one.signature for one in compared], same_text),
        (ComparedGroup.CODE, [one.code for one in compared], same_text),
    )
    return [row for group, columns, same in groups for row in _rows(group, columns, same)]


def _rows(
    group: ComparedGroup, columns: Sequence[Mapping[str, Value]], same: Callable[[Value, Value], bool]
) -> Iterator[ComparedValue]:
    keys = {key for column in columns for key in column}
    for key in sorted(keys, key=lambda name: (name.startswith(_SYSTEM), name)):
        values = tuple(column.get(key) for column in columns)
        differs = any(not same(values[0], value) for value in values[1:])
        best = _best(key, values) if differs and group is ComparedGroup.METRICS else None
        yield ComparedValue(group, key, tuple(map(_cut, values)), differs, best)


def _best(metric: str, values: Sequence[Value]) -> int | None:
    """Return the place of the best finite value, the first of equals; None where fewer than two can be compared."""
    better = direction(metric)
    finite = [(value, place) for place, value in enumerate(values) if isinstance(value, float) and math.isfinite(value)]
    if better is None or len(finite) < 2 or len({value for value, _ in finite}) < 2:
        return None
    sign = 1.0 if better == LOWER else -1.0
    return min(finite, key=lambda pair: (sign * pair[0], pair[1]))[1]


def _cut(value: Value) -> Value:
    return f"{value[:_LONGEST_VALUE]}…" if isinstance(value, str) and len(value) > _LONGEST_VALUE else value


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

"""All that is known of one run or version, by groups, as it is laid beside others. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlops_desk.records.model import DatasetInput, Run
from mlops_desk.records.registry.model_files import ModelFileFacts, SignatureColumn

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

"""A stage becomes a job: the job file that it stands for, read as any other. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlops_desk.automation.ci.fields import CiFile, CiStageFields
from mlops_desk.automation.records.ci.run import CiRun
from mlops_desk.jobs.file.conversion import built_image
from mlops_desk.jobs.file.fields import API_VERSION
from mlops_desk.jobs.file.spec import read_spec
from mlops_desk.jobs.records.spec import JobSpec, Source
from mlops_desk.kit.base.document.field_declarations import written
from mlops_desk.kit.base.document.nodes import node_of
from mlops_desk.kit.base.document.scalar_types import written_length
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

CODE = "/work"
"""Where the code lies in the container, and the command starts."""
_NAMED = 300  # chosen: characters of the targets that a hint names
_NAME_LIMIT = 100  # as a job's name has at most


def job_name(file: CiFile, stage: str) -> str:
    """Return what the job of a stage is called."""
    return f"{file.name[: _NAME_LIMIT - len(stage) - 1].strip()}/{stage}"


def spec_of_stage(file: CiFile, stage: CiStageFields, run: CiRun) -> JobSpec:
    """Return the job that a stage is. Raises Invalid where the file asks for what it may not have."""
    _check_secrets(stage, run)
    spec = read_spec(node_of(_document(file, stage, run)))
    source = Source(folder=run.repository, target=CODE) if run.dirty else _source(run)
    return replace(spec, source=source)


def _source(run: CiRun) -> Source:
    if run.repository.startswith("/") and run.origin is None:
        return Source(folder=run.repository, target=CODE)
    return Source(git=run.repository, ref=run.commit, target=CODE)


def _document(file: CiFile, stage: CiStageFields, run: CiRun) -> Mapping[str, Any]:
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "Job",
        "name": job_name(file, stage.name),
        "type": "batch",
        "command": list(stage.command),
        "env": {**stage.env, **_told(run)},
        "source": {"folder": "/", "target": CODE},  # put in its place below: its snapshot is there already
    }
    if stage.image is not None:
        document["image"] = stage.image
    if stage.image_of is not None:
        document["image"] = built_image(job_name(file, stage.image_of))
    if stage.build is not None:
        build = {"context": f"/{stage.build.context}", "dockerfile": stage.build.dockerfile}
        if not stage.command:  # nothing of the image runs, so nothing else is needed either
            return {**document, "build": {**build, "only": True}}
        document["build"] = build
    if stage.resources is not None:
        document["resources"] = written(stage.resources)
    if stage.mlflow is not None:
        document["mlflow"] = written(stage.mlflow)
    if stage.time_limit is not None:
        document["timeLimit"] = written_length(stage.time_limit)
    mounts = [{"source": _path(target, run), "target": target} for target in stage.data]
    lists = {"mounts": mounts, "outputs": list(stage.outputs), "secrets": list(stage.secrets)}
    return {**document, **{name: found for name, found in lists.items() if found}}


def _told(run: CiRun) -> dict[str, str]:
    """Return what a stage is told of the run that it is of, beside what is usual (CI=true)."""
    told = {"CI": "true", "MLD_CI_RUN": run.id, "MLD_CI_COMMIT": run.commit or "", "MLD_CI_REF": run.ref or ""}
    return {name: value for name, value in told.items() if value}


def check_data(file: CiFile, given: Mapping[str, str]) -> None:
    """See that some stage reads what was given: else a slip of the hand is found out after hours. Raises Invalid."""
    read = sorted({target for stage in file.stages for target in stage.data})
    for target in given:
        if target not in read:
            text = f"No stage of the pipeline {plain(file.name)} reads data at {plain(target)}."
            names = plain(", ".join(read), _NAMED)
            hint = f"Its stages read: {names}." if read else "None of its stages names any: give it no --data."
            raise Invalid(text, hint)


def _path(target: str, run: CiRun) -> str:
    if target not in run.data:
        text = f"The pipeline wants data at {plain(target)}, and nobody said which."
        raise Invalid(text, f"Say it where it is run: --data {plain(target)}=PATH (in a rule: data).")
    return run.data[target]


def _check_secrets(stage: CiStageFields, run: CiRun) -> None:
    login = () if stage.mlflow is None or stage.mlflow.login is None else (stage.mlflow.login,)
    for name in (*stage.secrets, *login):
        if name not in run.secrets:
            text = f"The stage {stage.name} asks for the secret {plain(name)}, which it was not given."
            raise Invalid(text, f"Whoever runs it allows it by --secret {plain(name)}.")

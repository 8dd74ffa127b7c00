"""An MLproject: each of its entry points becomes a job file, with its parameters as parameters."""

import re
from collections.abc import Mapping
from typing import Any

from mlops_desk.base.document.nodes import read_document, values_of
from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.jobs.imports.compose_keys import KEYS
from mlops_desk.jobs.imports.draft import JobDraft
from mlops_desk.records.jobs.imported import ImportedJob

_IMAGE = "python:3.12"
_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def is_mlproject(document: object) -> bool:
    """Tell whether a document looks like an MLproject."""
    return isinstance(document, Mapping) and "entry_points" in document


def read_mlproject(text: str, folder: str, home: str) -> tuple[ImportedJob, ...]:
    """Make a job file of each entry point. Raises Invalid."""
    project = values_of(read_document(text))
    points = project.get("entry_points") if isinstance(project, Mapping) else None
    if not isinstance(points, Mapping) or not points:
        raise Invalid("This MLproject has no entry points.", "Give one with entry_points: {main: {command: ...}}.")
    return tuple(_job(project, name, point, folder, home) for name, point in points.items())


def _job(project: Mapping[str, Any], name: str, point: Any, folder: str, home: str) -> ImportedJob:
    given = point if isinstance(point, Mapping) else {}
    command = given.get("command")
    if not isinstance(command, str):
        raise Invalid(f"The entry point {plain(name)} has no command.", "Add command: python train.py --lr {lr}.")
    draft = JobDraft(folder, home)
    title = str(project.get("name") or "mlproject")
    draft.name = title if name == "main" else f"{title} {name}"
    _environment(draft, project)
    _parameters(draft, f"entry_points.{name}", given.get("parameters"), command)
    draft.command = ["sh", "-c", command]
    draft.keep("name", title, "mlflow", {"experiment": title})
    draft.keep("MLproject", folder, "source", {"folder": folder})
    draft.changed("MLproject", folder, "Its folder is snapshotted when the job is submitted, and mounted read only.")
    return draft.done()


def _environment(draft: JobDraft, project: Mapping[str, Any]) -> None:
    docker = project.get("docker_env")
    if isinstance(docker, Mapping) and isinstance(docker.get("image"), str):
        draft.file["image"] = docker["image"]
        KEYS["volumes"](draft, "docker_env.volumes", docker.get("volumes"))
        variables = docker.get("environment")
        for item in variables if isinstance(variables, list) else []:
            name, *value = item if isinstance(item, list) and item else [item]
            draft.variable("docker_env.environment", str(name), str(value[0]) if value else None)
    else:
        draft.file["image"] = _IMAGE
        draft.changed("image", _IMAGE, "An MLproject names none: take one that has what the program imports.")
    for key in ("conda_env", "python_env"):
        if key in project:
            why = "Its packages are not installed: build an image that has them (build: {context: .})."
            draft.lost(key, str(project[key]), why)


def _parameters(draft: JobDraft, option: str, given: Any, command: str) -> None:
    declared = given if isinstance(given, Mapping) else {}
    params = {}
    for name in dict.fromkeys((*declared, *_NAME.findall(command))):
        about = declared.get(name)
        default = about.get("default") if isinstance(about, Mapping) else None
        kind = about.get("type") if isinstance(about, Mapping) else about
        params[name] = "" if default is None else str(default)
        if default is None:
            draft.changed(
                f"{option}.{name}", str(kind or ""), f"It has no default: submit with --set params.{name}=..."
            )
        elif kind in {"path", "uri"}:
            draft.changed(f"{option}.{name}", str(default), "A path is one in the container: mount what it names.")
    if params:
        draft.keep(option, ", ".join(params), "params", params)

"""The verbs about job files as such: their schema, templates to begin with, and making them of something else."""

import pwd
from builtins import list as list_of
from pathlib import Path
from typing import Any

from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.jobs.file.schema import job_schema
from mlops_desk.jobs.imports.reading import read_import
from mlops_desk.jobs.templates import Templates
from mlops_desk.records.jobs.imported import ImportedJobs
from mlops_desk.records.jobs.template import JobTemplate


class JobFiles:
    """The part of ``verbs.jobs.Jobs`` that needs no queue; ``templates`` is the folder where people keep theirs."""

    def __init__(self, templates: Path) -> None:
        self._templates = Templates(templates)

    def import_(
        self, file: str = "", folder: str = "/", docker_run: str | None = None, only: str | None = None
    ) -> ImportedJobs:
        _check(folder)
        return read_import(file, docker_run, only, folder, _home(current_caller().uid))

    def schema(self) -> dict[str, Any]:
        return job_schema()

    def templates(self) -> list_of[JobTemplate]:
        return list_of(self._templates.all(current_caller().uid))

    def template(self, name: str) -> JobTemplate:
        return self._templates.find(name, current_caller().uid)

    def save_template(self, name: str, spec: str, folder: str = "/") -> JobTemplate:
        _check(folder)
        return self._templates.save(name, spec, folder, current_caller().uid)

    def remove_template(self, name: str) -> JobTemplate:
        return self._templates.remove(name, current_caller().uid)


def _check(folder: str) -> None:
    if not folder.startswith("/"):
        raise Invalid(f"The folder {plain(folder)!r} is not absolute.", "Send the file's absolute folder.")


def _home(uid: int) -> str:
    """Return a person's home folder, as the machine knows it; the root where it knows none."""
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"

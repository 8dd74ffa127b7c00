"""Job files to begin with: those in ``resources/job_templates``, and those that people keep in the data folder.

A template is a job file; the comments at its beginning are its title and its help. Each user keeps their own.
"""

import re
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import takewhile
from pathlib import Path
from shlex import quote

from mlops_desk.jobs.file.spec import format_spec, parse_spec
from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_ENDING = ".yaml"
_FOLDER = "job_templates"
_BESIDE = "@beside"
"""Stands in a template that comes along for the folder that it lies in, where its image is built from."""
_MOST_OWN = 200  # chosen: nobody looks through more
_TITLE_LIMIT = 100  # chosen: a cell of a table
_HELP_LIMIT = 1000  # chosen: a paragraph


class Templates:
    """``folder`` holds what people keep, in a folder for each user id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self, uid: int) -> tuple[JobTemplate, ...]:
        """Return one's own and then those that come along, by name. Raises Unavailable."""
        return (*self._own(uid), *shipped())

    def find(self, name: str, uid: int) -> JobTemplate:
        """Return a template, one's own before one that comes along. Raises NotFound, Unavailable."""
        known = self.all(uid)
        for template in known:
            if template.name == name:
                return template
        names = ", ".join(template.name for template in known)
        hint = Hint(
            f"mlops-desk jobs save-template {quote(plain(name, 40))} JOB.yaml",
            before=f"There are: {names}. ", after=" makes one of a job file.",
        )  # fmt: skip
        raise NotFound(f"There is no template called {plain(name)!r}.", hint)

    def save(self, name: str, text: str, folder: str, uid: int) -> JobTemplate:
        """Keep a job file of a ``folder`` as a template of one's own. Raises Invalid, Refused, Unavailable.

        What it is used by has no such folder, a rule for one, so paths that are taken from it become whole ones.
        """
        if not _NAME.fullmatch(name):
            raise Invalid(f"{plain(name)!r} is no name of a template.", "Use up to 40 small letters, digits and -.")
        spec = parse_spec(text, folder)
        if parse_spec(text) != spec:
            text = "".join(f"{line}\n" for line in _first_comments(text)) + format_spec(spec)
        own = self._own(uid)
        if any(template.name == name for template in own):
            hint = Hint(f"mlops-desk jobs remove-template {name}", before="Take another name, or first: ")
            raise Refused(f"You have a template called {name} already.", hint)
        if len(own) >= _MOST_OWN:
            raise Refused(f"You keep {_MOST_OWN} templates already.", "Remove some of them first.")
        path = self._of(uid) / f"{name}{_ENDING}"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, text.encode())
        except OSError as error:
            raise Unavailable(f"The template can't be written: {error.strerror}.") from error
        return _template(name, text, own=True)

    def remove(self, name: str, uid: int) -> JobTemplate:
        """Forget a template of one's own. Raises NotFound, Refused, Unavailable."""
        template = self.find(name, uid)
        if not template.own:
            raise Refused(f"The template {name} comes along, and stays.", "Save one of that name, which hides it.")
        try:
            (self._of(uid) / f"{name}{_ENDING}").unlink()
        except OSError as error:
            raise Unavailable(f"The template can't be removed: {error.strerror}.") from error
        return template

    def _of(self, uid: int) -> Path:
        return self._folder / str(uid)

    def _own(self, uid: int) -> list[JobTemplate]:
        try:
            return _read(self._of(uid), own=True) if self._of(uid).is_dir() else []
        except OSError as error:
            raise Unavailable(f"The templates in {self._of(uid)} can't be read: {error.strerror}.") from error


def shipped() -> list[JobTemplate]:
    """Return the templates that come along, by name: in a checkout beside the package, else where it was installed."""
    folder = Path(build_folder())
    return [replace(one, spec=one.spec.replace(_BESIDE, str(folder))) for one in _read(folder, own=False)]


def build_folder() -> str:
    """Return the folder that images of templates that come along are built in: everybody may read it."""
    beside = Path(__file__).resolve().parents[2] / "resources" / _FOLDER
    return str(beside if beside.is_dir() else files("mlops_desk_resources") / _FOLDER)


def _read(folder: Traversable, *, own: bool) -> list[JobTemplate]:
    found = [file for file in folder.iterdir() if file.name.endswith(_ENDING) and file.is_file()]
    texts = {file.name.removesuffix(_ENDING): file.read_text("utf-8") for file in found}
    return [_template(name, texts[name], own=own) for name in sorted(texts)]


def _first_comments(text: str) -> list[str]:
    return list(takewhile(lambda line: line.startswith("#"), text.splitlines()))


def _template(name: str, text: str, *, own: bool) -> JobTemplate:
    lines = [line.lstrip("# ").rstrip() for line in _first_comments(text)]
    title = plain(lines[0], _TITLE_LIMIT) if lines and lines[0] else name
    return JobTemplate(name, title, plain(" ".join(lines[1:]), _HELP_LIMIT), text, own)

"""What somebody hands over to be made job files of, by what it looks like."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlops_desk.jobs.imports.compose_keys import KEYS, shown
from mlops_desk.jobs.imports.draft import JobDraft
from mlops_desk.jobs.imports.options import OPTIONS, SHORT, RunOption
from mlops_desk.jobs.imports.shell_line import HINT, ShellLine, read_line
from mlops_desk.jobs.records.job_import import ImportedJob, ImportedJobs
from mlops_desk.kit.base.document.nodes import read_document, values_of
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

# An MLproject: each of its entry points becomes a job file, with its parameters as parameters.
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


# A Compose file: each of its services becomes a job file.
# ``${NAME:-default}`` becomes its default; ``${NAME}`` alone is noted, for what it stands for is in the person's
# shell.
DEPTH = 12  # chosen: what a service reserves of devices lies nine deep
_MOST_SERVICES = 100  # chosen: far more than one machine runs
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])([^{}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))")


def is_compose(document: object) -> bool:
    """Tell whether a document looks like a Compose file."""
    return isinstance(document, Mapping) and "services" in document


def read_compose(text: str, folder: str, home: str) -> tuple[ImportedJob, ...]:
    """Make a job file of each service, those first that others wait for. Raises Invalid."""
    document = values_of(read_document(text, DEPTH))
    services = document.get("services") if isinstance(document, Mapping) else None
    if not isinstance(services, Mapping) or not services:
        raise Invalid("This Compose file has no services.", "Give one with services: {NAME: {image: ...}}.")
    if len(services) > _MOST_SERVICES:
        raise Invalid(f"This Compose file has more than {_MOST_SERVICES} services.", "Split it.")
    beside = sorted(set(document) - {"services", "version", "name"})
    return tuple(_job_compose(name, services[name], folder, home, beside) for name in _in_order(services))


def _job_compose(name: str, service: Any, folder: str, home: str, beside: list[str]) -> ImportedJob:
    if not isinstance(service, Mapping):
        raise Invalid(f"services.{plain(name)} is no table.", "Expected: image: and what goes with it.")
    draft = JobDraft(folder, home)
    draft.name = name
    for key, value in service.items():
        given = _filled(draft, f"services.{name}.{key}", value)
        take = KEYS.get(key)
        if take is not None:
            take(draft, f"services.{name}.{key}", given)
        elif not key.startswith("x-"):
            draft.lost(f"services.{name}.{key}", shown(given), "Nothing in a job file is like it.")
    for key in beside:
        if not key.startswith("x-"):
            draft.lost(key, "", "A job has no part in what services share: networks, volumes, configs.")
    return draft.done()


def _filled(draft: JobDraft, option: str, value: Any) -> Any:
    """Return a value with its variables' defaults in it."""
    if isinstance(value, Mapping):
        return {key: _filled(draft, option, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(draft, option, item) for item in value]
    if not isinstance(value, str):
        return value

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name, how, rest = found[1] or found[4], found[2] or "", found[3] or ""
        if how.endswith("-"):
            draft.changed(option, found[0], f"The default of {name} was put in.")
            return rest
        draft.changed(option, found[0], f"What {name} stands for is in your shell: put it in.")
        return found[0]

    return _VARIABLE.sub(put, value)


def waits_for(service: Any) -> Mapping[str, str]:
    """Return the services that one depends on, each with the condition."""
    given = service.get("depends_on") if isinstance(service, Mapping) else None
    if isinstance(given, list):
        return {str(name): "service_started" for name in given}
    if not isinstance(given, Mapping):
        return {}
    return {
        name: str(about.get("condition")) if isinstance(about, Mapping) else "service_started"
        for name, about in given.items()
    }


def _in_order(services: Mapping[str, Any]) -> Iterator[str]:
    """Yield the services, each after those whose end it waits for. Raises Invalid for a circle."""
    left = {name: {one for one in waits_for(service) if one in services} for name, service in services.items()}
    while left:
        ready = [name for name, waits in left.items() if not waits]
        if not ready:
            names = ", ".join(map(plain, sorted(left)))
            raise Invalid(f"The services {names} wait for one another.", "Take one depends_on away.")
        yield from ready
        left = {name: waits - set(ready) for name, waits in left.items() if name not in ready}


# A ``docker run`` line, as people keep it in their notes, becomes a job file.
_LIMIT = 64 * 1024  # as much as a job file may be long
_MOST_WORDS = 4000  # chosen: twice as many as a job file has arguments, variables and mounts
_BEFORE = frozenset({"sudo", "docker", "podman", "nvidia-docker", "nvidia-docker2", "container"})
_NO = frozenset({"false", "0"})
_NVIDIA = frozenset({"nvidia-docker", "nvidia-docker2"})
"""Their containers see GPUs without being asked to: those that NV_GPU names, or all."""


def read_docker_run(line: str, folder: str, home: str) -> ImportedJob:
    """Make a job file of a line. Raises Invalid.

    What a shell would have put in for ``$(pwd)``, ``$PWD``, ``$HOME`` and ``~`` is put in from ``folder`` and ``home``,
    and for variables that are set before the command what they are set to.
    """
    found = _read(line, {"PWD": folder, "HOME": home})
    words = [word.text for word in found.words]
    before = set[str]()
    while words and words[0] in _BEFORE:
        before.add(words.pop(0))
    if not words or words.pop(0) != "run":
        raise Invalid("This is no line of docker run.", HINT)
    draft = JobDraft(folder, home)
    if before & _NVIDIA:
        chosen = found.given.get("NV_GPU")
        draft.gpus("nvidia-docker", f"device={chosen}" if chosen else "all", chosen or "")
    rest = _take_options(draft, words)
    if not rest:
        raise Invalid("The line names no image.", HINT)
    draft.file["image"] = rest[0]
    draft.command += rest[1:]
    for word in found.words[len(found.words) - len(rest) + 1 :]:
        if word.open:
            draft.changed("command", word.text, "What a shell would have put in stands there as it is written.")
    return draft.done()


def _read(line: str, known: Mapping[str, str]) -> ShellLine:
    if len(line) > _LIMIT or "\0" in line:
        raise Invalid(f"The line is longer than {_LIMIT >> 10} KiB, or no text.", HINT)
    found = read_line(line.strip(), known)
    if len(found.words) > _MOST_WORDS:
        raise Invalid(f"The line has more than {_MOST_WORDS} words.", HINT)
    return found


def _take_options(draft: JobDraft, words: list[str]) -> list[str]:
    """Take in the options at the beginning; returns what is left: the image and its command."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        at += 1
        if word == "--":
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            option = _known(name, word)
            if option.takes_value and not equals:
                value, at = _next(words, at, word)
            _take(draft, option, f"--{name}", value, given=bool(equals))
            continue
        at = _take_letters(draft, words, at, word[1:])
    return words[at:]


def _take_letters(draft: JobDraft, words: list[str], at: int, letters: str) -> int:
    """Take in ``-it`` or ``-itv /a:/b`` or ``-p8080:80``; returns where the line goes on."""
    while letters:
        letter, letters = letters[0], letters[1:]
        option = _known(SHORT.get(letter, letter), f"-{letter}")
        if not option.takes_value:
            value, letters = (letters[1:], "") if letters.startswith("=") else ("", letters)
            _take(draft, option, f"-{letter}", value, given=bool(value))
            continue
        value, letters = letters.removeprefix("="), ""
        if not value:
            value, at = _next(words, at, f"-{letter}")
        _take(draft, option, f"-{letter}", value, given=True)
    return at


def _take(draft: JobDraft, option: RunOption, written: str, value: str, *, given: bool) -> None:
    if option.takes_value:
        option.take(draft, written, value)
    elif not (given and value.lower() in _NO):
        option.take(draft, written, "")


def _next(words: list[str], at: int, option: str) -> tuple[str, int]:
    if at >= len(words):
        raise Invalid(f"{plain(option)} stands at the end, without its value.", HINT)
    return words[at], at + 1


def _known(name: str, written: str) -> RunOption:
    option = OPTIONS.get(name)
    if option is None:
        near = difflib.get_close_matches(name[:40], OPTIONS, n=1)
        meant = f"Did you mean --{near[0]}? " if near else ""
        text = f"{plain(written.partition('=')[0])} is no option of docker run, as far as is known here."
        raise Invalid(text, f"{meant}Take it away; whether the next word is its value can't be told.")
    return option


def read_import(text: str, docker_run: str | None, only: str | None, folder: str, home: str) -> ImportedJobs:
    """Make job files of a ``docker run`` line, or of a file that says by its keys what it is. Raises Invalid."""
    if docker_run is not None:
        return ImportedJobs("docker run", (read_docker_run(docker_run, folder, home),))
    if not text:
        raise Invalid("Nothing to import is given.", "Name a file, or give --docker-run a whole line in quotes.")
    document = values_of(read_document(text, DEPTH))
    if is_compose(document):
        found = ImportedJobs("compose", read_compose(text, folder, home))
    elif is_mlproject(document):
        found = ImportedJobs("mlproject", read_mlproject(text, folder, home))
    else:
        hint = "A Compose file has services:, an MLproject has entry_points:."
        raise Invalid("This is neither a Compose file nor an MLproject.", hint)
    if only is None:
        return found
    chosen = tuple(job for job in found.jobs if job.name == only)
    if not chosen:
        known = ", ".join(plain(job.name) for job in found.jobs)
        raise Invalid(f"There is nothing called {plain(only)!r} in it.", f"There are: {known}.")
    return replace(found, jobs=chosen)

"""Tells what a verb answered: as JSON, as text for people, or line by line; and what the answer alone does not tell."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_desk.desk.cli import output, postprocess
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.job_shell import JobShell
from mlops_desk.jobs.text import job_files
from mlops_desk.kit.api.client import Client
from mlops_desk.kit.base import wire
from mlops_desk.kit.cli import terminal
from mlops_desk.kit.text.document import show
from mlops_desk.kit.verbs.declaration import Verb
from mlops_desk.registry.text import version_search
from mlops_desk.serving.text import deployment


def tell(
    client: Client, verb: Verb, arguments: Mapping[str, Any], before: Job | None, answer: Any, *, as_json: bool
) -> int:
    """Write the answer; returns the exit code. ``before`` is a job that was cancelled, as it was. Raises DeskError."""
    if verb.streams:
        return _tell_lines(client, verb, arguments, answer, as_json=as_json)
    if isinstance(answer, JobShell) and not as_json:
        terminal.enter(answer)
    text = "" if as_json else _text(client, verb, arguments, before, answer)
    _say(None if as_json else job_files.losses(answer))
    if version_search.is_search(verb):
        _say(version_search.left_out(client, arguments, len(answer)))
    show(wire.to_builtins(answer) if as_json else None, text, as_json=as_json)
    if (failed := deployment.failure(verb, arguments, answer)) is not None:
        raise failed
    return 0


def _text(client: Client, verb: Verb, arguments: Mapping[str, Any], before: Job | None, answer: Any) -> str:
    return postprocess.ended(verb, arguments, answer) or (
        postprocess.after(before, answer)
        + output.text(answer, postprocess.nothing(verb, arguments))
        + postprocess.group(client, verb, answer)
    )


def _tell_lines(client: Client, verb: Verb, arguments: Mapping[str, Any], answer: Any, *, as_json: bool) -> int:
    followed = None if as_json else postprocess.followed(verb, arguments)
    _say(followed and postprocess.waiting(client, followed))
    code = _print_lines(answer, as_json=as_json)
    _say(followed and postprocess.over(client, followed))
    return code


def _say(text: str | None) -> None:
    """Say something beside an output that may be piped on."""
    if text:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _print_lines(lines: Iterator[str], *, as_json: bool) -> int:
    if as_json:
        show(list(lines), "", as_json=True)
        return 0
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0

"""A ``docker run`` line, as people keep it in their notes, becomes a job file."""

import difflib
from collections.abc import Mapping

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.jobs.imports.draft import JobDraft
from mlops_desk.jobs.imports.options import OPTIONS, SHORT, RunOption
from mlops_desk.jobs.imports.shell_line import HINT, ShellLine, read_line
from mlops_desk.records.jobs.imported import ImportedJob

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

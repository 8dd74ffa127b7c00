"""A ``docker run`` line, as people keep it in their notes, becomes a job file."""

import difflib
import re
import shlex

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.jobs.imports.draft import JobDraft
from mlops_desk.jobs.imports.options import OPTIONS, SHORT, RunOption
from mlops_desk.records.jobs.imported import ImportedJob

_LIMIT = 64 * 1024  # as much as a job file may be long
_MOST_WORDS = 4000  # chosen: twice as many as a job file has arguments, variables and mounts
_OPERATORS = "|&;<>"
_SUBSTITUTED = re.compile(r"\$\(([^()]{0,200})\)|\x60([^\x60]{0,200})\x60")
_HOME = re.compile(r"\$HOME\b|\$\{HOME\}")
_PWD = re.compile(r"\$PWD\b|\$\{PWD\}|\$\(pwd\)")
_BEFORE = frozenset({"sudo", "docker", "podman", "nvidia-docker", "nvidia-docker2", "container"})
_NO = frozenset({"false", "0"})
_HINT = "Give one whole line in quotes, as it is typed into a shell."


def read_docker_run(line: str, folder: str, home: str) -> ImportedJob:
    """Make a job file of a line. Raises Invalid.

    What a shell would have put in for ``$(pwd)``, ``$PWD``, ``$HOME`` and ``~`` is put in from ``folder`` and ``home``.
    """
    words = [_expanded(word, folder, home) for word in _words(line)]
    while words and words[0] in _BEFORE:
        words.pop(0)
    if not words or words.pop(0) != "run":
        raise Invalid("This is no line of docker run.", _HINT)
    draft = JobDraft(folder, home)
    rest = _take_options(draft, words)
    if not rest:
        raise Invalid("The line names no image.", _HINT)
    draft.file["image"] = rest[0]
    draft.command += rest[1:]
    return draft.done()


def _words(line: str) -> list[str]:
    if len(line) > _LIMIT or "\0" in line:
        raise Invalid(f"The line is longer than {_LIMIT >> 10} KiB, or no text.", _HINT)
    joined = line.replace("\\\r\n", " ").replace("\\\n", " ").strip()
    closed = _SUBSTITUTED.sub(lambda found: f"$({(found[1] or found[2] or '').replace(' ', '_')})", joined)
    lexer = shlex.shlex(closed, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise Invalid(
            f"The line can't be read: {plain(str(error))}.", "Look for a quote that is not closed."
        ) from error
    if len(words) > _MOST_WORDS:
        raise Invalid(f"The line has more than {_MOST_WORDS} words.", _HINT)
    for word in words:
        if word and set(word) <= set(_OPERATORS):
            raise Invalid(f"The line goes on after {word!r}, with what only a shell does.", _HINT)
    return words


def _expanded(word: str, folder: str, home: str) -> str:
    return _HOME.sub(lambda _: home, _PWD.sub(lambda _: folder, word))


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
        raise Invalid(f"{plain(option)} stands at the end, without its value.", _HINT)
    return words[at], at + 1


def _known(name: str, written: str) -> RunOption:
    option = OPTIONS.get(name)
    if option is None:
        near = difflib.get_close_matches(name[:40], OPTIONS, n=1)
        meant = f"Did you mean --{near[0]}? " if near else ""
        text = f"{plain(written.partition('=')[0])} is no option of docker run, as far as is known here."
        raise Invalid(text, f"{meant}Take it away; whether the next word is its value can't be told.")
    return option

"""The words that stand before a verb, and the short way to the window: it opens without the parsers of all verbs.

Those need every record the program talks about, a tenth of a second that the window's first paint need not wait for.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

_AGO = re.compile(r"-[0-9.]+[a-z]{1,3}")
_OPTION = re.compile(r"--\w")
_FIRST = {"--demo", "--data-dir", "--address", "--tray", "--selftest"}
_FIRST_WITH_VALUE = ("--data-dir", "--address", "--selftest")


class Parser(argparse.ArgumentParser):
    """argparse whose usage errors are JSON when the caller asked for JSON; they exit with 2."""

    json = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Take ``--from -1h`` as it is meant: argparse would take the time for another option."""
        words = list(sys.argv[1:] if args is None else args)
        for place in range(len(words) - 1, 0, -1):
            if _OPTION.match(words[place - 1]) and _AGO.fullmatch(words[place]):
                words[place - 1 : place + 1] = [f"{words[place - 1]}={words[place]}"]
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        if late := [word for word in message.split() if word.partition("=")[0] in _FIRST and "unrecognized" in message]:
            message = f"{late[0].partition('=')[0]} stands before the verb"
        if type(self).json:
            from mlops_desk.kit.base import wire  # noqa: PLC0415 - 10 ms that only an error needs

            help_here = f"{self.prog} --help"
            self.exit(2, wire.dumps({"error": message, "hint": help_here, "command": help_here}) + "\n")
        super().error(message)


class _OtherWordsError(Exception):
    """These words open no window."""


class _WindowParser(Parser):
    """Knows what stands before a verb; says nothing itself, for the whole parser says it better."""

    def error(self, message: str) -> NoReturn:
        raise _OtherWordsError(message)


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what stands before the first ``--``, and what after it."""
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def command_of(words: Sequence[str]) -> str | None:
    """Return the first word that is neither an option nor an option's value; None where there is none."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        word = words[place]  # argparse takes the beginning of an option for it
        place += 2 if len(word) > len("--") and any(full.startswith(word) for full in _FIRST_WITH_VALUE) else 1
    return words[place] if place < len(words) else None


def add_first_words(parser: Parser) -> None:
    """Add what stands before a verb and says where and how, and what holds where no verb does."""
    parser.add_argument("--data-dir", metavar="DIR", help="data folder, and with it the agent (MLOPS_DESK_DATA_DIR)")
    where = "agent: a data folder, machine, or unix:///SOCKET as ssh -L forwards one (MLOPS_DESK_ADDRESS)"
    parser.add_argument("--address", metavar="ADDRESS", help=where)
    demo = "a simulated 8-GPU workstation, labelled as such; stands before the verb: mlops-desk --demo status"
    parser.add_argument("--demo", action="store_true", help=demo)
    parser.add_argument("--tray", action="store_true", help="start in the tray, where the desktop has one")
    parser.add_argument("--selftest", metavar="DIR", help="try everything an installation needs; report into DIR")
    parser.set_defaults(act="window", verb=None)


def window_words(words: Sequence[str]) -> argparse.Namespace | None:
    """Return what ``words`` say when they ask for the window; None when only the whole parser can tell."""
    parser = _WindowParser(prog="mlops-desk", add_help=False)
    add_first_words(parser)
    try:
        given, rest = parser.parse_known_args(words)
    except _OtherWordsError:
        return None
    return None if rest or given.selftest else given

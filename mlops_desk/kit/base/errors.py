"""Errors that a person may see. Anything else that is raised is a bug.

DeskError              what happened, to what and why, with a hint: what to do next
├── NotFound           the thing asked for is not there
├── Refused            the request is understood and will not be carried out
├── Invalid            the request is not of the right form
├── Unavailable        something outside (engine, registry, driver, agent) does not answer or is absent
├── TimedOut           no answer within the deadline: whether it happened is unknown, never "failed"
└── Closed              what was asked for is closed, because this process ends: the next one goes on
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self


class Hint(str):
    """A hint that holds a command, as a text: ``before``, the command, ``after``, as they are.

    Records keep the command in a field of their own beside the text, where only that travels (``keep_command``).
    """

    __slots__ = ("command",)

    command: str

    def __new__(cls, command: str, *, before: str = "", after: str = "") -> Self:
        made = super().__new__(cls, f"{before}{command}{after}")
        made.command = command
        return made


def hint_of(text: str | None, command: str | None) -> str | None:
    """Return a hint that travelled as a text and a field as the ``Hint`` that it was."""
    if text is None or isinstance(text, Hint) or not command or command not in text:
        return text
    before, _, after = text.partition(command)
    return Hint(command, before=before, after=after)


def command_of(hint: str | None) -> str | None:
    """Return the command that a hint holds; None where it is a sentence."""
    return hint.command if isinstance(hint, Hint) else None


def keep_command(record: object, hint: str = "hint", command: str = "command", *, plain: bool = False) -> None:
    """Make the two fields of a frozen record tell the same: called at its making, whatever it is made from.

    ``plain``: the hint stays a text, for records that travel by an encoder which knows no text but str.
    """
    whole = hint_of(getattr(record, hint), getattr(record, command))
    object.__setattr__(record, hint, str(whole) if plain and whole is not None else whole)
    object.__setattr__(record, command, command_of(whole))


class Place(NamedTuple):
    """Where in a text something is wrong, as editors count it: from 1.

    ``column`` is None where nothing stands any more (at the end), ``field`` where it is about no field.
    """

    line: int
    column: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        return f"Line {self.line}" if self.column is None else f"Line {self.line}, column {self.column}"


class DeskError(Exception):
    """Something a person should read: ``message`` says what happened, ``hint`` what to do next.

    ``command`` is the command in the hint, which a ``Hint`` carries; it is given where only the text of one is there.
    ``place`` is where it stands in the text that was sent, which the message says too.
    """

    code = "error"

    def __init__(
        self, message: str, hint: str | None = None, command: str | None = None, place: Place | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint_of(hint, command)
        self.command = command_of(self.hint)
        self.place = place

    def told(self) -> dict[str, Any]:
        """Return what of it travels as JSON."""
        place = {} if self.place is None else {"place": self.place._asdict()}
        hint = None if self.hint is None else str(self.hint)  # a Hint is more than a text, which not every writer takes
        return {"error": self.message, "hint": hint, "command": self.command, "code": self.code, **place}


class NotFound(DeskError):  # noqa: N818 - reads as a sentence where it is raised
    """The thing asked for is not there."""

    code = "not_found"


class Refused(DeskError):  # noqa: N818 - an outcome, and named as people are told it
    """The request is understood and will not be carried out."""

    code = "refused"


class Invalid(DeskError):  # noqa: N818 - an outcome, and named as people are told it
    """The request is not of the right form."""

    code = "invalid"


class Unavailable(DeskError):  # noqa: N818 - an outcome, and named as people are told it
    """Something outside does not answer, or is not there."""

    code = "unavailable"


class TimedOut(Unavailable):
    """No answer within the deadline. What was asked for may still happen: the outcome is unknown."""

    code = "timed_out"


class Closed(Unavailable):
    """What was asked for is closed for good, because this process ends. Work that meets it is over, and no bug."""


BY_CODE: dict[str, type[DeskError]] = {
    kind.code: kind for kind in (DeskError, NotFound, Refused, Invalid, Unavailable, TimedOut)
}


def heard(document: Mapping[str, Any]) -> DeskError:
    """Return the error of which ``DeskError.told`` told; an older program tells no command."""
    kind = BY_CODE.get(document.get("code") or "", DeskError)
    told = document.get("place")
    place = None if told is None else Place(told["line"], told.get("column"), told.get("field"))
    return kind(str(document.get("error")), document.get("hint"), document.get("command"), place)

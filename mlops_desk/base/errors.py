"""Errors that a person may see. Anything else that is raised is a bug.

DeskError              what happened, to what and why, with a hint: what to do next
├── NotFound           the thing asked for is not there
├── Refused            the request is understood and will not be carried out
├── Invalid            the request is not of the right form
├── Unavailable        something outside (engine, registry, driver, agent) does not answer or is absent
└── TimedOut           no answer within the deadline: whether it happened is unknown, never "failed"
"""

from collections.abc import Mapping
from typing import Any, Self


class Hint(str):
    """A hint that holds a command, as a text: ``before``, the command, ``after``, as they are.

    Records keep the command in a field of their own beside the text, where only that travels.
    """

    __slots__ = ("command",)

    command: str

    def __new__(cls, command: str, *, before: str = "", after: str = "") -> Self:
        made = super().__new__(cls, f"{before}{command}{after}")
        made.command = command
        return made


class DeskError(Exception):
    """Something a person should read: ``message`` says what happened, ``hint`` what to do next.

    ``command`` is the command in the hint that can be run as it is; a ``Hint`` carries its own.
    """

    code = "error"

    def __init__(self, message: str, hint: str | None = None, command: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.command: str | None = hint.command if isinstance(hint, Hint) else command

    def told(self) -> dict[str, str | None]:
        """Return what of it travels as JSON."""
        return {"error": self.message, "hint": self.hint, "command": self.command, "code": self.code}


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


BY_CODE: dict[str, type[DeskError]] = {
    kind.code: kind for kind in (DeskError, NotFound, Refused, Invalid, Unavailable, TimedOut)
}


def heard(document: Mapping[str, Any]) -> DeskError:
    """Return the error of which ``DeskError.told`` told; an older program tells no command."""
    kind = BY_CODE.get(document.get("code") or "", DeskError)
    hint, command = document.get("hint"), document.get("command")
    if hint is not None and command and command in hint:
        before, _, after = hint.partition(command)
        hint = Hint(command, before=before, after=after)
    return kind(str(document.get("error")), hint, command)

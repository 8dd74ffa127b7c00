"""A write whose answer did not come: it is looked at what became of it, and said where nobody can tell."""

from collections.abc import Callable
from typing import TypeVar

from mlops_desk.base.errors import DeskError, TimedOut, Unavailable

T = TypeVar("T")


def carried_out(write: Callable[[], object], look: Callable[[], T], done: Callable[[T], bool], what: str) -> T:
    """Write, and return how it stands then.

    Raises TimedOut where it is not known whether ``what`` (… was written), what the write raised where it was not, and
    Unavailable, which says that it was, where the look alone failed.
    """
    try:
        write()
    except Unavailable as error:
        return _looked(error, look, done, what)
    try:
        return look()
    except DeskError as error:  # whoever reads of a failure alone would write once more
        text = f"It is done: {what}. Only how it stands now can't be told: {error.message}"
        raise Unavailable(text, "Look again; there is nothing to be written once more.") from error


def _looked(error: Unavailable, look: Callable[[], T], done: Callable[[T], bool], what: str) -> T:
    try:
        now = look()
    except DeskError as second:
        text = f"Whether {what} is not known: {error.message} Looking again failed too: {second.message}"
        raise TimedOut(text, "Look again before anything else.") from error
    if done(now):
        return now
    if isinstance(error, TimedOut):
        text = f"{error.message} As it stands, it is not so that {what}; the server may still do it."
        raise TimedOut(text, "Look again before anything else.") from error
    raise error

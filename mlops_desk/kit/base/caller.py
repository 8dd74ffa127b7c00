"""Who asks: the peer's credentials as the kernel gives them, carried by a context variable."""

import os
import pwd
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The process at the other end of the socket."""

    uid: int
    gid: int
    pid: int

    @property
    def user(self) -> str:
        return user_name(self.uid)


def user_name(uid: int) -> str:
    """Return the account name of ``uid``, or ``uid N`` where the machine knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def this_process() -> Caller:
    """Return the caller for things the agent does by itself."""
    return Caller(os.getuid(), os.getgid(), os.getpid())


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current_caller() -> Caller:
    """Return who asked for what is being done now; the agent itself where nobody did."""
    return _current.get() or this_process()


def is_asked_for() -> bool:
    """Tell whether somebody asked for what is being done now, and not the agent by itself."""
    return _current.get() is not None


def set_caller(caller: Caller) -> None:
    """Set the caller for the current context (one request)."""
    _current.set(caller)

"""What callers of the monitors' verbs may name, and how long they wait for their turn."""

import os
import threading
from pathlib import Path

from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Invalid, Refused, TimedOut
from mlops_desk.kit.base.text import plain

WAIT_SECONDS = 150.0  # longer than one look may take, so that who asks gets a turn


def check_own(path: str | None) -> None:
    """Refuse a path that the agent may read and its caller may not. Raises Invalid, Refused."""
    if path is None:
        return
    if not Path(path).is_absolute():
        raise Invalid(f"The path {plain(path)!r} is not absolute.")
    check_own_agent()


def check_own_agent() -> None:
    """Refuse to read for somebody else what the agent's account may read. Raises Refused."""
    if current_caller().uid not in {0, os.getuid()}:
        text = "Files and databases of one's own can be watched only by an agent of one's own."
        raise Refused(text, "Use drift report with two files; it needs no agent.")


class HeldLooks:
    """Holds the lock of the looks for a verb. Raises TimedOut where a look keeps it too long."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise TimedOut("A monitor is still being looked at.", "Try again in a moment.")

    def __exit__(self, *_: object) -> None:
        self._lock.release()

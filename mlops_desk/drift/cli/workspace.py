"""A folder for what is written on the way, which goes however the command ends: done, by Ctrl+C, SIGTERM or SIGHUP.

What kills at once (SIGKILL) leaves it: it goes with the next such command, or by the agent.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from mlops_desk.kit.base.disk.scratch import scratch, sweep_scratch

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128  # a shell's exit code for what a signal has ended, with the signal's number


@contextmanager
def passing_folder() -> Iterator[Path]:
    """Give an empty folder that goes with the block, in the main thread."""
    before = {one: signal.signal(one, _end) for one in _ENDING if signal.getsignal(one) is signal.SIG_DFL}
    try:
        sweep_scratch(time.time())  # what a command that was killed has left
        with scratch("drift") as folder:
            yield Path(folder)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    """Unwind, so that what is open is closed and what was begun is removed."""
    raise SystemExit(_SIGNALLED + number)

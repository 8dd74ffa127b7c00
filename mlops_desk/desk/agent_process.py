"""The headless process: lock, Desk, API, signals.

``main`` takes the data folder's lock before anything heavy is imported, so that of fifty
simultaneous starts forty-nine end at once. SIGTERM ends the process within three seconds, whatever
hangs: a watchdog outside the interpreter ends it hard, with every thread's stack in ``agent.crash``,
when the orderly way takes longer.
"""

import faulthandler
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TextIO

from mlops_desk.kit.base import log
from mlops_desk.kit.base.allocator import give_back_memory
from mlops_desk.kit.base.disk.lock import FolderLock
from mlops_desk.kit.base.disk.paths import DataFolder, runtime_folder
from mlops_desk.kit.base.disk.private_files import UMASK
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.loop import Loop

_log = logging.getLogger(__name__)
_LOCK_TRIES = 20  # a second in all: an agent that has just ended still holds it for a moment
_LOCK_PAUSE_SECONDS = 0.05  # with the tries above a second in all
_LOOK_SECONDS = 2.0
"""Chosen: the folder of the socket goes when a person logs out, and is there again when they log in."""
_HARD_END_SECONDS = 2.5
"""Chosen: whoever has waited so long for an agent to end sends SIGKILL."""


def main(folder: DataFolder, *, demo: bool = False, echo: bool = False) -> int:
    """Be the agent of ``folder`` until told to stop. Returns 0 also when another one is there already."""
    faulthandler.enable()  # a crash in foreign code tells every thread's stack where whoever started this one looks
    log.start_early()
    give_back_memory()
    gc.disable()  # what is loaded until the desk has started is no garbage
    os.umask(UMASK)  # the databases, their journals and what children write too
    folder.make()
    lock = FolderLock(folder.lock, folder.root)
    if not _acquire(lock, str(folder.socket)):
        sys.stderr.write(f"An agent runs already for {folder.root}.\n")
        return 0
    log.start_file(folder.logs / "agent.log", echo=echo)
    end = _Ending((folder.logs / "agent.crash").open("w", encoding="utf-8"))
    signal.signal(signal.SIGTERM, end)  # before anything is opened: a start that takes its time can be ended too
    signal.signal(signal.SIGINT, end)
    try:
        _serve(folder, lock, end, demo=demo)
    finally:
        lock.release()
    return 0


def _acquire(lock: FolderLock, socket: str) -> bool:
    for _ in range(_LOCK_TRIES):
        if lock.acquire(socket):
            return True
        time.sleep(_LOCK_PAUSE_SECONDS)
    return False


def _serve(folder: DataFolder, lock: FolderLock, end: "_Ending", *, demo: bool) -> None:
    from mlops_desk.desk import open_desk  # noqa: PLC0415 - likewise
    from mlops_desk.kit.api.server import ApiServer  # noqa: PLC0415 - heavy, and useless without the lock
    from mlops_desk.machine.records.event import Sampled  # noqa: PLC0415 - likewise

    loop = Loop("agent")
    desk = open_desk(folder, loop, demo=demo)
    server = ApiServer(
        desk.services, desk.bus, loop, desk.audit.put, desk.permission, lambda: Sampled(desk.telemetry.status())
    )
    desk.on_shutdown = server.stop
    end.call(server.stop)
    desk.start()
    socket = folder.socket

    def stay_reachable() -> None:
        if lock.renew(str(socket)):
            _log.warning("%s had been removed: it is there again", folder.lock)
        try:
            if not socket.parent.parent.is_dir():
                return  # until the person is back: the system makes it
            runtime_folder()
            if server.listen_again(socket):
                _log.warning("%s had been removed: it is there again", socket)
        except (OSError, Unavailable) as error:  # tried again in a moment
            _log.debug("The socket can't be put back: %s", error)

    loop.repeat("stay reachable", _LOOK_SECONDS, stay_reachable, at_once=False)
    gc.freeze()  # and lives as long as the agent: each full collection would walk it, for a tenth of a second
    gc.enable()
    _log.info("Agent %s serves %s on %s", os.getpid(), folder.root, folder.socket)
    try:
        server.serve(socket)
    finally:
        end.guard()
        desk.stop()
        loop.stop(timeout_seconds=0.5)
        _log.info("Agent %s ended", os.getpid())
        logging.shutdown()
        # Threads stuck in foreign calls are daemons; leaving by this door asks none of them.
        os._exit(0)


class _Ending:
    """Signal handler: asks the server to stop, and sees to it that the process ends."""

    def __init__(self, stacks: TextIO) -> None:
        self._stacks = stacks
        self._stop: Callable[[], None] | None = None
        self._asked = False
        self._guarded = False

    def __call__(self, number: int, _frame: object) -> None:
        _log.info("Signal %s: ending", signal.Signals(number).name)
        self._asked = True
        self.guard()
        if self._stop is not None:
            self._stop()

    def call(self, stop: Callable[[], None]) -> None:
        """Call ``stop`` at the signal, and at once if that has come already."""
        self._stop = stop
        if self._asked:
            stop()

    def guard(self) -> None:
        """Start the countdown to the hard end, once. It runs without the interpreter, which may be what hangs."""
        if not self._guarded:
            self._guarded = True
            faulthandler.dump_traceback_later(_HARD_END_SECONDS, exit=True, file=self._stacks)

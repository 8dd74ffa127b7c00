"""The keeper of the desk's own MLflow tracking server: ``python -m mlops_desk.registry.server.process``.

It takes the folder's lock, binds loopback and (with an engine) the engine bridge's address on one port, loads
MLflow once, and forks the process that serves (application.py). Because it holds port and libraries, a server that
was killed, ran out of memory or hangs is replaced within moments, and who connects meanwhile waits instead of
being refused. Keeper and server outlive the agent; TERM ends both.

A keeper that was killed leaves its server serving. The next one, started with ``--take-over``, loads MLflow first
and only then ends that server and takes its place. So does one of a later version with an earlier one's.
"""

import argparse
import errno
import fcntl
import gc
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mlops_desk.kit.base.failures import pause_after
from mlops_desk.kit.base.process import boot_id, start_ticks
from mlops_desk.registry.server.application import hosts_of, load_packages, serve
from mlops_desk.registry.server.files import VERSION, Entry, ServerFiles, end_process
from mlops_desk.registry.server.sandbox import Wall

_log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
ALREADY_RUNS = 3  # an exit code of its own: 1 is Python's, 2 that of wrong arguments
_BIND_TRIES = 20  # chosen: ports that others take between the choice and the call
_LOOK_SECONDS = 1.0  # the server's pulse
_SILENT_LOOKS = 10
"""How often in a row the server may be silent before it is taken to hang: a busy disk can hold it up for seconds."""
_START_SECONDS = 120.0
"""Chosen: MLflow is loaded from a busy disk, and the schema of a large store may have to be upgraded."""
_GRACE_SECONDS = 6.0
"""Longer than the server takes to finish what it is answering."""
_SHORT_LIFE_SECONDS = 10.0  # chosen: a server that can't work ends while it starts
_PAUSES_SECONDS = (0.0, 0.2, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Chosen: the first is replaced at once, as jobs wait; one that never works is tried every 30 s."""
_TOLD_AFTER = 3
"""So many short lives in a row are told as a failure."""
_IP_FREEBIND = 15  # linux/in.h; Python has no name for it before 3.14
_TAKE_OVER_SECONDS = 2.0  # chosen: a keeper that is asked to end has nothing to finish
_DYING_SECONDS = 3.0  # chosen: a process that was killed keeps its port until the kernel has freed its memory


def bind(addresses: Sequence[str], wanted_port: int) -> tuple[list[socket.socket], int]:
    """Bind all ``addresses`` to one port: the wanted one if it is free on all, else a new one. Raises OSError."""
    for attempt in range(_BIND_TRIES):
        bound: list[socket.socket] = []
        port = wanted_port if attempt == 0 else 0
        try:
            for address in addresses:
                bound.append(_bound(address, port))
                port = bound[0].getsockname()[1]
        except OSError as error:
            for other in bound:
                other.close()
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
        else:
            return bound, port
    text = f"no port is free on all of {', '.join(addresses)}"
    raise OSError(errno.EADDRINUSE, text)


def _bound(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Podman makes its bridge, and so the address, when the first container starts.
        made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


class Keeper:
    """Keeps one server up. ``fork`` starts it and returns its pid, given both ends of the pipe it is to beat on."""

    def __init__(self, ledger: ServerFiles, entry: Entry, fork: Callable[[int, int], int]) -> None:
        self._ledger = ledger
        self._entry = entry
        self._fork = fork
        self._server: int | None = None
        self._ending_at: float | None = None

    def end(self, _number: int, _frame: object) -> None:
        """Signal handler: end the server, then this process."""
        self._ending_at = self._ending_at or time.monotonic()
        if self._server is not None:
            os.kill(self._server, signal.SIGTERM)

    def _is_ending(self) -> bool:
        return self._ending_at is not None

    def run(self) -> int:
        """Keep the server up until told to end, or until it turns out that it can't start. Returns the exit code."""
        ever_ran, short_lives = False, 0
        while not self._is_ending():
            began = time.monotonic()
            ran = self._live()
            if self._is_ending():
                break
            if not ran and not ever_ran:
                return 1
            ever_ran = True
            short_lives = short_lives + 1 if not ran or time.monotonic() - began < _SHORT_LIFE_SECONDS else 0
            self._pause(short_lives)
        return 0

    def _live(self) -> bool:
        """Start a server and watch it to its end; tell whether it ever served."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            self._server = self._fork(reading, writing)
        finally:
            os.close(writing)
        if self._is_ending():
            os.kill(self._server, signal.SIGTERM)
        try:
            return self._watch(self._server, reading)
        finally:
            os.close(reading)
            server, self._server = self._server, None
            os.waitpid(server, 0)

    def _watch(self, server: int, reading: int) -> bool:
        """Return when the server has closed its end of the pipe, which it does by ending."""
        began, served, silent = time.monotonic(), False, 0
        while True:
            if select.select([reading], [], [], _LOOK_SECONDS)[0]:
                if not os.read(reading, 4096):
                    return served
                served, silent = True, 0
                continue
            # Looks are counted and not seconds: while this process is stopped itself, nobody is silent.
            silent += 1
            hangs = silent >= _SILENT_LOOKS if served else time.monotonic() - began > _START_SECONDS
            late = self._ending_at is not None and time.monotonic() - self._ending_at > _GRACE_SECONDS
            if hangs or late:
                _log.warning("The tracking server does not %s and is killed", "end" if late else "answer")
                os.kill(server, signal.SIGKILL)
                silent = 0

    def _pause(self, short_lives: int) -> None:
        pause = pause_after(short_lives, _PAUSES_SECONDS)
        _log.warning("The tracking server ended; it is started again in %g s", pause)
        if short_lives >= _TOLD_AFTER:
            text = f"It ended {short_lives} times in a row soon after its start, and is tried again every {pause:g} s."
            self._ledger.write(replace(self._entry, state="failed", text=text))
        deadline = time.monotonic() + pause
        while not self._is_ending() and time.monotonic() < deadline:
            time.sleep(min(0.1, pause))


def keep(
    ledger: ServerFiles, addresses: Sequence[str], wanted_port: int, wall: Wall | None, seize: Callable[[], bool] | None
) -> int:
    """Load, bind and keep a server up; return the exit code. ``seize`` takes the lock, where it is not held yet."""
    pid = os.getpid()
    ticks = start_ticks(pid) or 0
    entry = Entry("starting", pid, ticks, boot_id(), wanted_port, tuple(addresses), keeper_pid=pid, keeper_ticks=ticks,
                  version=VERSION)  # fmt: skip
    if seize is None:
        ledger.write(entry)
    try:
        if seize is None:
            sockets, port = bind(addresses, wanted_port)
            entry = replace(entry, port=port)
            ledger.write(entry)
        below = load_packages(ledger, hosts_of(entry))
        if seize is not None:
            if not seize():
                return ALREADY_RUNS
            sockets = [_bound(address, wanted_port) for address in addresses]
            ledger.write(entry)
    except Exception as error:  # noqa: BLE001 - whatever it is, the agent must be able to tell it
        _log.exception("The tracking server could not start")
        if seize is None:
            ledger.write(replace(entry, state="failed", text=f"{type(error).__name__}: {error}"[:600]))
        return 1

    def fork(reading: int, writing: int) -> int:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reading)
                os.set_blocking(writing, False)
                code = serve(ledger, entry, sockets, writing, below, wall)
            except Exception:  # noqa: BLE001 - the last stop of this process
                _log.exception("The tracking server failed")
            finally:
                logging.shutdown()
                os._exit(code)
        return child

    keeper = Keeper(ledger, entry, fork)
    signal.signal(signal.SIGTERM, keeper.end)
    gc.collect()
    gc.freeze()  # what is loaded stays shared with each server instead of being copied by counting references
    return keeper.run()


def _end_earlier(ledger: ServerFiles) -> None:
    """End a server whose keeper is gone, or that another version has started; it may finish its answers."""
    entry = ledger.read()
    if entry is not None and entry.is_kept() and entry.version != VERSION:
        end_process(entry.keeper_pid, entry.keeper_ticks, _GRACE_SECONDS)
    if entry is not None and entry.is_alive() and not entry.is_kept():
        end_process(entry.pid, entry.start_ticks, _TAKE_OVER_SECONDS)


def _lock(ledger: ServerFiles, descriptor: int) -> bool:
    """Take the folder's lock; one that is held by processes that were killed is about to be free."""
    deadline = time.monotonic() + _DYING_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            entry = ledger.read()
            if entry is None or entry.is_alive() or entry.is_kept() or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="mlops_desk.registry.server.process")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--bridge")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--take-over", action="store_true")
    parser.add_argument("--wall", type=Wall, choices=list(Wall))
    words = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)
    ledger = ServerFiles(words.folder)
    addresses = [LOOPBACK] if words.bridge is None else [LOOPBACK, words.bridge]
    with ledger.lock.open("ab") as lock:

        def seize() -> bool:
            _end_earlier(ledger)
            return _lock(ledger, lock.fileno())

        if not words.take_over and not _lock(ledger, lock.fileno()):
            _log.warning("Another tracking server serves %s already", words.folder)
            return ALREADY_RUNS
        os.chdir(words.folder)
        return keep(ledger, addresses, words.port, words.wall, seize if words.take_over else None)


if __name__ == "__main__":
    sys.exit(main())

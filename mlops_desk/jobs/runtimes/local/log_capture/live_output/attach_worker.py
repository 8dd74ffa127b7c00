"""The process that looks on: attached to each container, it reads all the time, whatever becomes of the agent.

It is told on stdin, a JSON line each time, all the containers to look at, and by which socket: ``[[name, socket]]``. On
stdout it tells ``NAME SECONDS LENGTH`` and that many bytes: what the container paints, b"" for nothing. What the agent
does not take is dropped. It ends with its stdin, touches no file, and is killed where it does not read.

A dead man's switch: the kernel kills this process when it has not said for a while that it still works.

The timer is the kernel's and the signal is KILL, so it also ends a process that is stopped, frozen with its group, or
waits for memory that a disk does not bring back. Nothing in this process could, and a second one freezes as the first.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import time
from urllib.parse import quote

from mlops_desk.jobs.runtimes.local.log_capture.live_output.output import Output

_SIGNAL = 0  # SIGEV_SIGNAL of sigevent(3type)


class _Event(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_int * 12),  # the kernel's sigevent has 64 bytes
    )


class _Times(ctypes.Structure):
    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class DeadMan:
    """Armed by the first ``live``; raises OSError where there is no such timer: then nothing may be begun."""

    def __init__(self, seconds: float) -> None:
        self._system = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        self._times = _Times(0, 0, int(seconds), int(seconds % 1 * 1e9))
        event = _Event(None, signal.SIGKILL, _SIGNAL)
        self._check(self._system.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)))

    def live(self) -> None:
        """Say that this process works: from now on it is given the whole time again. Raises OSError."""
        self._check(self._system.timer_settime(self._timer, 0, ctypes.byref(self._times), None))

    def _check(self, answer: int) -> None:
        if answer != 0:
            raise OSError(ctypes.get_errno(), "The kernel gives no timer.")


_DEAD_SECONDS = 1.0
"""Chosen: what a container writes meanwhile the engine has room for, 1 MB and what a socket holds, but for a flood."""
_ROUND_SECONDS = 0.4  # chosen: the switch is held with a round to spare
_TOLD_SECONDS = 0.5  # chosen: twice as often as anybody looks
_AGAIN_SECONDS = 10.0  # chosen: an engine that restarts, or a flood, is over by then
_FLOOD_BYTES = 256 << 10
"""Chosen: in a second. No bars write so much, and who prints more shall not be slowed by being read twice."""
_PIECE_BYTES = 64 << 10  # chosen: the twice of what an engine hands on at once
_REQUEST = (
    "POST /containers/{}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: engine\r\n"
    "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
)


class Looked:
    """One container. ``connection`` is None between two tries."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.connection: socket.socket | None = None
        self.due = 0.0
        self._output = Output()
        self._second = (0, 0)
        self._told: bytes | None = None
        self._told_at = 0.0

    def attach(self) -> socket.socket:
        """Ask the engine to hand on what is written, and return by what. Raises OSError, also where it has no time."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        self.connection, self._output, self._second = connection, Output(), (0, 0)
        connection.connect(self.address)
        connection.send(_REQUEST.format(quote(self.name, safe="")).encode())
        return connection

    def read(self) -> bool:
        """Take what is there; False where it is over, or too much. Raises OSError."""
        if self.connection is None:
            return False
        data = self.connection.recv(_PIECE_BYTES)
        second = int(time.monotonic())
        self._second = (second, len(data) + (self._second[1] if self._second[0] == second else 0))
        return bool(data) and self._output.feed(data) and self._second[1] <= _FLOOD_BYTES

    def leave(self) -> None:
        """Stop to look, for a while; what was painted is not known any more."""
        if self.connection is not None:
            self.connection.close()
        self.connection, self.due = None, time.monotonic() + _AGAIN_SECONDS
        if self._told is not None:
            self._output = Output()

    def news(self) -> bytes | None:
        """Return what is to be told by now; None where the agent knows it, or knows of nothing."""
        now = time.monotonic()
        painted = self._output.painted
        if painted == self._told or now - self._told_at < _TOLD_SECONDS:
            return None
        if self._told is None and not self._output.began:
            return None
        return painted

    def was_told(self, painted: bytes) -> None:
        self._told, self._told_at = painted, time.monotonic()


class Onlooker:
    """Looks at containers until stdin ends."""

    def __init__(self) -> None:
        self._waiting = selectors.DefaultSelector()
        self._looked: dict[str, Looked] = {}
        self._asked = b""

    def run(self) -> None:
        """Read whatever comes. Raises OSError where the kernel has no switch for it."""
        switch = DeadMan(_DEAD_SECONDS)
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        self._waiting.register(0, selectors.EVENT_READ)
        while True:
            switch.live()
            for key, _ in self._waiting.select(_ROUND_SECONDS):
                if key.data is None:
                    if not self._hear():
                        return
                else:
                    self._read(key.data)
            self._attach_due()
            self._tell()

    def _hear(self) -> bool:
        data = os.read(0, _PIECE_BYTES)
        *asked, self._asked = (self._asked + data).split(b"\n")
        if asked:
            wanted = {str(name): str(address) for name, address in json.loads(asked[-1])}
            for name in self._looked.keys() - wanted.keys():
                self._leave(self._looked.pop(name))
            for name in wanted.keys() - self._looked.keys():
                self._looked[name] = Looked(name, wanted[name])
        return bool(data)

    def _attach_due(self) -> None:
        now = time.monotonic()
        for looked in self._looked.values():
            if looked.connection is None and now >= looked.due:
                try:
                    connection = looked.attach()
                except OSError:  # tried again in a while; until then the log alone tells
                    self._leave(looked)
                else:
                    self._waiting.register(connection, selectors.EVENT_READ, looked)

    def _read(self, looked: Looked) -> None:
        try:
            goes_on = looked.read()
        except BlockingIOError:
            return
        except OSError:  # the engine has ended
            goes_on = False
        if not goes_on:
            self._leave(looked)

    def _leave(self, looked: Looked) -> None:
        if looked.connection is not None:
            with contextlib.suppress(KeyError):  # one that could not be attached was never waited for
                self._waiting.unregister(looked.connection)
        looked.leave()

    def _tell(self) -> None:
        for looked in self._looked.values():
            painted = looked.news()
            if painted is None:
                continue
            try:
                # Shorter than what a pipe takes as a whole (pipe(7): 4096), so none is written in part.
                os.write(1, b"%s %.3f %d\n%s" % (looked.name.encode(), time.time(), len(painted), painted))
            except BlockingIOError:
                return  # the agent does not read now: told in a later round, as it is then
            looked.was_told(painted)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the agent has ended
        Onlooker().run()

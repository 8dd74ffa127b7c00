"""A dead man's switch: the kernel kills this process when it has not said for a while that it still works.

The timer is the kernel's and the signal is KILL, so it also ends a process that is stopped, frozen with its group, or
waits for memory that a disk does not bring back. Nothing in this process could, and a second one freezes as the first.
"""

import ctypes
import signal
import time

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

"""Landlock (landlock(7)): a process gives up, for good, all access to files but to those that it names.

The C library has no functions for it, so the three system calls are made by number; the numbers are the same on
every architecture.
"""

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # numbers of system calls, the same on every architecture
_VERSION_FLAG = 1  # this and what follows are linux/landlock.h's and linux/prctl.h's
_PATH_BENEATH = 1  # linux/landlock.h
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3  # linux/landlock.h
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15  # linux/landlock.h: came with its versions 2, 3 and 5
_FIRST_ABI = (1 << 13) - 1
"""The thirteen rights of the first version: reading, writing, making and removing of each kind of file."""
_ADDED = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEVICE}
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


@dataclass(frozen=True, slots=True)
class View:
    """What a process may still see: paths to read, and paths to read and change. What is missing is left out."""

    readable: Sequence[Path]
    changeable: Sequence[Path]


def abi() -> int:
    """Return the version of Landlock that this kernel offers; 0 when it has none, or is told not to use it."""
    library = ctypes.CDLL(None, use_errno=True)
    return max(0, int(library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))))


def confine(view: View) -> None:
    """Confine the calling thread, and all that it starts from now on, to ``view``. Raises OSError."""
    version = abi()
    handled = _FIRST_ABI
    for since, right in _ADDED.items():
        handled |= right if version >= since else 0
    ruleset = _Ruleset(handled)
    descriptor = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
    try:
        for path in view.readable:
            _allow(descriptor, path, (_READ_FILE | _READ_DIR) & handled)
        for path in view.changeable:
            _allow(descriptor, path, handled & ~_EXECUTE)
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "new privileges can't be given up")
        _call(_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = _PathBeneath(rights if path.is_dir() else rights & _OF_A_FILE, descriptor)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    answer = int(library.syscall(ctypes.c_long(number), *arguments))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return answer

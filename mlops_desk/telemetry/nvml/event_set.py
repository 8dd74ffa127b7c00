"""NVML's event set and its system events (drivers bound and unbound), where the library has them."""

import contextlib
import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import pynvml

from mlops_desk.telemetry.nvml.door import Nvml, NvmlError
from mlops_desk.telemetry.nvml.events import EventSet, Raw

_XID = 0x8  # nvmlEventTypeXidCriticalError
_TYPES: Mapping[int, tuple[str, str, str | None]] = {
    _XID: ("xid", "", None),
    0x1: ("ecc", "corrected memory error", "info"),
    0x2: ("ecc", "uncorrected memory error", "alert"),
    0x200: ("ecc", "many corrected memory errors", "warning"),
    0x400: ("ecc", "memory retired", "warning"),
    0x800: ("ecc", "memory could not be retired", "alert"),
    0x1000: ("ecc", "poisoned memory was contained", "warning"),
    0x2000: ("ecc", "poisoned memory was not contained", "alert"),
    0x4000: ("unavailable", "", None),
    0x8000: ("recovery", "", None),
}
"""By nvml.h's nvmlEventType…: the kind, what it says, and how grave that is."""
_WANTED = sum(_TYPES)
_BASIC = _XID | 0x1 | 0x2
_BINDINGS = {
    pynvml.nvmlSystemEventTypeGpuDriverUnbind: "unbind",
    pynvml.nvmlSystemEventTypeGpuDriverBind: "bind",
} if hasattr(pynvml, "nvmlSystemEventTypeGpuDriverUnbind") else {}  # fmt: skip
_WAIT = "nvmlEventSetWait_v2"
_MOST_AT_ONCE = 16  # chosen: as many GPUs as a machine has
_MOST_EVER = 1024  # chosen: a driver that says there are more is not believed


class NvmlEventSource:
    """Makes event sets of the opened library, from the thread that waits for them."""

    def __init__(self, nvml: Nvml) -> None:
        self._nvml = nvml
        self._system: _SystemEvents | None = None

    def watch(self) -> None:
        """Have bindings of drivers noted, where the library can."""
        self._system = _system_events(self._nvml)

    def leave(self) -> list[Raw]:
        """Note them no longer; return what was not told yet."""
        system, self._system = self._system, None
        return system.close() if system is not None else []

    def listen(self, devices: Mapping[str, Any]) -> EventSet:
        """Listen to these GPUs; one that has no events is left out. Raises NvmlError when none has any."""
        made = _NvmlEventSet(self._nvml, pynvml.c_nvmlEventSet_t(), self._system)
        errors = [error for uuid, handle in devices.items() if (error := made.add(uuid, handle)) is not None]
        if len(errors) == len(devices):
            made.close()
            raise errors[0]
        return made


class _NvmlEventSet:
    def __init__(self, nvml: Nvml, handle: Any, system: "_SystemEvents | None") -> None:
        self._function = nvml.function
        self._handle = handle
        self._uuids: dict[int, str] = {}
        self._data = pynvml.c_nvmlEventData_t()
        self._check("nvmlEventSetCreate", ctypes.byref(self._handle))
        self._system = system

    def add(self, uuid: str, device: Any) -> NvmlError | None:
        """Listen to one GPU as well; return why that is not possible."""
        supported = ctypes.c_ulonglong()
        try:
            self._check("nvmlDeviceGetSupportedEventTypes", device, ctypes.byref(supported))
            wanted = supported.value & _WANTED
            self._check("nvmlDeviceRegisterEvents", device, ctypes.c_ulonglong(wanted or _BASIC), self._handle)
        except NvmlError as error:
            return error
        self._uuids[_address(device)] = uuid
        return None

    def wait(self, seconds: float) -> Raw | None:
        """Return the next event, or None when none came in time. Raises NvmlError."""
        if self._system is not None and (bound := self._system.poll()) is not None:
            return bound
        code = self._function(_WAIT)(self._handle, ctypes.byref(self._data), int(seconds * 1000))
        if code == pynvml.NVML_ERROR_TIMEOUT:
            return None
        if code:
            raise NvmlError.of(code, _WAIT)
        kind, text, level = _TYPES.get(self._data.eventType, ("", "", None))
        if not kind:
            return None
        uuid = self._uuids.get(_address(self._data.device))
        return Raw(uuid, kind, int(self._data.eventData) if kind == "xid" else None, text, level)

    def close(self) -> None:
        with contextlib.suppress(NvmlError):  # the library is shut or the driver gone: nothing is left to free
            self._check("nvmlEventSetFree", self._handle)

    def _check(self, name: str, *arguments: Any) -> None:
        code = self._function(name)(*arguments)
        if code:
            raise NvmlError.of(code, name)


class _SystemEvents:
    """Drivers that were bound to GPUs or unbound from them; polled, never waited for."""

    def __init__(self, wait: Callable[..., int]) -> None:
        self._wait = wait
        create = pynvml.c_nvmlSystemEventSetCreateRequest_v1_t()
        pynvml.c_nvmlSystemEventSetCreate(ctypes.byref(create))
        self._set = create.set
        register = pynvml.c_nvmlSystemRegisterEventRequest_v1_t()
        register.version, register.set = pynvml.nvmlSystemRegisterEventRequest_v1, self._set
        register.eventTypes = sum(_BINDINGS)
        pynvml.c_nvmlSystemRegisterEvents(ctypes.byref(register))
        self._data = (pynvml.c_nvmlSystemEventData_v1_t * _MOST_AT_ONCE)()
        self._waiting: list[Raw] = []

    def poll(self) -> Raw | None:
        """Return the next one that has happened. Raises NvmlError."""
        if not self._waiting:
            self._waiting = [
                Raw(None, _BINDINGS[one.eventType], one.gpuId)  # domain, bus and device in one number
                for one in self._data[: self._fetch()]
                if one.eventType in _BINDINGS
            ]
        return self._waiting.pop(0) if self._waiting else None

    def _fetch(self) -> int:
        """Have what happened put into the buffer; return how much it is. Raises NvmlError."""
        request = pynvml.c_nvmlSystemEventSetWaitRequest_v1_t()
        request.set, request.data, request.dataSize, request.timeoutms = self._set, self._data, len(self._data), 0
        code = self._wait(ctypes.byref(request))
        if code == pynvml.NVML_ERROR_INSUFFICIENT_SIZE and len(self._data) < request.numEvent <= _MOST_EVER:
            self._data = (pynvml.c_nvmlSystemEventData_v1_t * request.numEvent)()
            return self._fetch()
        if code and code != pynvml.NVML_ERROR_TIMEOUT:
            raise NvmlError.of(code, "nvmlSystemEventSetWait")
        return 0 if code else min(request.numEvent, len(self._data))

    def close(self) -> list[Raw]:
        """Free the set; return what it holds that was not told yet."""
        untold: list[Raw] = []
        with contextlib.suppress(NvmlError):  # likewise
            while len(untold) < _MOST_AT_ONCE and (raw := self.poll()) is not None:
                untold.append(raw)
        request = pynvml.c_nvmlSystemEventSetFreeRequest_v1_t()
        request.set = self._set
        with contextlib.suppress(pynvml.NVMLError):  # likewise
            pynvml.c_nvmlSystemEventSetFree(ctypes.byref(request))
        return untold


def _system_events(nvml: Nvml) -> _SystemEvents | None:
    """Return the system's events, or None where library or binding are too old for them."""
    try:
        if not _BINDINGS:
            return None
        return _SystemEvents(nvml.function("nvmlSystemEventSetWait"))
    except (NvmlError, pynvml.NVMLError):
        return None


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0

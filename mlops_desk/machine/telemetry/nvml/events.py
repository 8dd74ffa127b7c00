"""What the driver reports by itself (XIDs, memory errors, drivers bound and unbound), heard by a thread of its own.

The thread alone touches the event set: it is told which GPUs to listen to, makes the set anew when those change,
waits one second at most, and pauses longer and longer while waiting fails. Nothing is registered on a GPU that
sleeps or is lost. What arrives within a tick is folded by kind, GPU and number, so a storm costs no memory.
"""

import contextlib
import ctypes
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Condition, Event
from typing import Any, Protocol

import pynvml

from mlops_desk.kit.base.failures import pause_after
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.telemetry.nvml.nvml_library import Nvml, NvmlError

_WAIT_SECONDS = 1.0  # chosen: so late other GPUs are listened to
_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)  # chosen: what fails for minutes fails for a reason
_LEAVE_SECONDS = 1.5  # longer than the one second of a wait
_MOST_KINDS = 256  # chosen: more kinds within a tick are a broken driver
_TURN_SECONDS = 0.1  # chosen: so late it begins where a first GPU came
_REST_SECONDS = 0.05  # chosen: 1,280 events a second are enough to know of a storm
_RING_SECONDS = 0.25  # chosen: an XID is told soon, and a storm rings four times a second
BINDINGS = frozenset({"bind", "unbind"})
_STORM = 64
"""So many events are taken one after the other before the thread rests a moment."""


@dataclass(frozen=True, slots=True)
class Raw:
    """An event as the library gives it; ``uuid`` None: of no GPU in particular."""

    uuid: str | None
    kind: str
    code: int | None = None
    text: str = ""
    level: str | None = None


class EventSet(Protocol):
    """A set of GPUs that is listened to. Every method raises NvmlError."""

    def wait(self, seconds: float) -> Raw | None:
        """Return the next event, or None when none came in time."""

    def close(self) -> None: ...


class EventSource(Protocol):
    """Makes event sets. What happens to drivers is noted from ``watch``, between opening and counting GPUs, on."""

    def watch(self) -> None:
        """Have drivers noted that are bound or unbound, where the library can."""

    def leave(self) -> "list[Raw]":
        """Note them no longer, before the library is shut; return what no event set told yet."""

    def listen(self, devices: Mapping[str, Any]) -> EventSet:
        """Listen to these GPUs, handles by UUID. Raises NvmlError."""


class EventListener:
    """Listens in the background; ``take`` hands out each event once."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._condition = Condition()
        self._wanted: dict[str, Any] = {}
        self._listening = False
        self._heard: dict[tuple[str, str | None, int | None, str], DeviceEvent] = {}
        self._failures = 0
        self._ending = Event()
        self._ring: Callable[[], None] = lambda: None
        self._rang_at = 0.0
        self._rebound = False

    def start(self, loop: Loop, ring: Callable[[], None] = lambda: None) -> None:
        """Begin to listen as soon as there is a GPU to listen to; ``ring`` is called soon after something was heard."""
        self._ending, self._ring = loop.ending, ring
        loop.repeat("gpu-events", _TURN_SECONDS, self._turn)

    def follow(self, devices: Mapping[str, Any]) -> None:
        """Say which GPUs to listen to from now on: handles by UUID. Returns at once."""
        with self._condition:
            if devices != self._wanted:
                self._wanted = dict(devices)
                self._condition.notify_all()

    def rest(self) -> None:
        """Stop listening and wait until the library is left alone, so that it can be shut."""
        with self._condition:
            self._wanted = {}
            self._condition.notify_all()
            left = self._condition.wait_for(lambda: not self._listening, _LEAVE_SECONDS)
        if left:  # else it is in use, and is left to the library
            for event in self._source.leave():
                self._hear(event)

    def watch(self) -> None:
        """Have drivers noted that are bound or unbound. Called when the library was opened, before GPUs are counted."""
        self._source.watch()

    def take(self) -> tuple[DeviceEvent, ...]:
        """Return what was heard since the last call, each kind once with its count."""
        with self._condition:
            heard, self._heard = self._heard, {}
        return tuple(heard.values())

    def rebound(self) -> bool:
        """Say, once, that drivers were bound to GPUs or unbound: then the library's handles are of the past."""
        rebound, self._rebound = self._rebound, False
        return rebound

    def _turn(self) -> None:
        """Listen to the GPUs that are wanted, until others are, or until that fails."""
        with self._condition:
            self._condition.wait_for(lambda: bool(self._wanted), _WAIT_SECONDS)
            wanted = self._wanted
            self._listening = bool(wanted)
        if not wanted:
            return
        failed = False
        try:
            self._listen(wanted)
        except NvmlError:
            failed = True
        finally:
            self._leave(wanted, failed=failed)

    def _leave(self, wanted: dict[str, Any], *, failed: bool) -> None:
        """Say that the library is left alone now; after a failure pause, unless other GPUs are wanted."""
        with self._condition:
            self._listening = False
            self._condition.notify_all()
            if not failed:
                self._failures = 0
                return
            pause = pause_after(self._failures, _PAUSES)
            self._failures += 1
            if self._condition.wait_for(lambda: self._wanted is not wanted or self._ending.is_set(), pause):
                self._failures = 0

    def _listen(self, wanted: dict[str, Any]) -> None:
        """Hear events until other GPUs are wanted. Raises NvmlError."""
        heard_of = self._source.listen(wanted)
        try:
            taken = 0
            while wanted is self._wanted and not self._ending.is_set():
                event = heard_of.wait(_WAIT_SECONDS)
                if event is None:
                    continue
                self._hear(event)
                taken += 1
                if taken % _STORM == 0:
                    self._ending.wait(_REST_SECONDS)
            for _ in range(_STORM):  # a GPU that was just lost is followed no more, and may have told more than once
                if (event := heard_of.wait(0.0)) is None:
                    break
                self._hear(event)
        finally:
            heard_of.close()

    def _hear(self, event: Raw) -> None:
        if event.kind in BINDINGS:
            self._rebound = True
        key = (event.kind, event.uuid, event.code, event.text)
        with self._condition:
            known = self._heard.get(key)
            if known is not None:
                self._heard[key] = replace(known, count=known.count + 1)
            elif len(self._heard) < _MOST_KINDS:
                self._heard[key] = DeviceEvent(
                    time.time(), event.kind, event.uuid, event.code, None, event.text, level=event.level
                )
        now = time.monotonic()
        if now - self._rang_at >= _RING_SECONDS:
            self._rang_at = now
            self._ring()


# NVML's event set and its system events (drivers bound and unbound), where the library has them.

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

"""What goes up the pipe from the collector to the agent: length, then one MessagePack frame.

A frame is a heartbeat that carries samples when there are new ones, of which only what changed since the last one
travels (``base.changes``). The reader trusts nothing: a frame that is too long or malformed, or a change of what was
never told, ends the stream, and the collector with it.
"""

import struct
from dataclasses import dataclass
from typing import IO

import msgspec

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.deltas import BadPatch, Listener, Patch, Teller
from mlops_desk.kit.base.errors import Hint
from mlops_desk.machine.records.gpu import GpuProcess
from mlops_desk.machine.records.host import Core
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.telemetry.source import Busy, GpuSample, HostSample

LIMIT_BYTES = 16 << 20  # chosen: many times the sample of a machine with 16 GPUs; a longer one is damage
_LENGTH = struct.Struct("<I")
_TOLD_WHOLE = frozenset({GpuProcess, Core})
"""Nearly all of these change with each tick: on 8 GPUs with 100 processes and 64 cores, looking into them makes a frame
10 instead of 25 kB and costs the collector 0.2 ms more, of the 3 ms that a tick takes it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A sign of life; ``busy`` names the driver call that is under way, ``events`` the driver reported just now."""

    sequence: int
    gpu: GpuSample | None = None
    host: HostSample | None = None
    busy: Busy | None = None
    events: tuple[DeviceEvent, ...] = ()


class _Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frame on its way: of the samples what changed; None where there is no new one."""

    sequence: int
    gpu: Patch = None
    host: Patch = None
    busy: Busy | None = None
    events: tuple[DeviceEvent, ...] = ()


class BrokenStream(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """What came up the pipe is no frame."""


def _text(value: object) -> str:
    """Return a hint as the text that it is: its command travels in a field of its own."""
    if isinstance(value, Hint):
        return str(value)
    raise TypeError(type(value))


_encoder = msgspec.msgpack.Encoder(enc_hook=_text)
_decoder = wire.unpacker(_Told)


class FrameWriter:
    """The collector's end of one pipe."""

    def __init__(self) -> None:
        self._gpu, self._host = Teller(_TOLD_WHOLE), Teller(_TOLD_WHOLE)

    def encode(self, frame: Frame) -> bytes:
        """Return ``frame`` with its length in front; the frames after it are told against it."""
        body = _encoder.encode(
            _Told(
                frame.sequence,
                None if frame.gpu is None else self._gpu.tell(frame.gpu),
                None if frame.host is None else self._host.tell(frame.host),
                frame.busy,
                frame.events,
            )
        )
        return _LENGTH.pack(len(body)) + body


class FrameReader:
    """The agent's end of one pipe."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._gpu, self._host = Listener(GpuSample), Listener(HostSample)

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end of the stream. Raises BrokenStream."""
        head = _read_exactly(self._stream, _LENGTH.size)
        if head is None:
            return None
        (length,) = _LENGTH.unpack(head)
        if length > LIMIT_BYTES:
            raise BrokenStream(f"a frame of {length} bytes")
        body = _read_exactly(self._stream, length)
        if body is None:
            return None
        try:
            told = _decoder.decode(body)
            return Frame(
                told.sequence,
                None if told.gpu is None else self._gpu.hear(told.gpu),
                None if told.host is None else self._host.hear(told.host),
                told.busy,
                told.events,
            )
        except (msgspec.DecodeError, ValueError, BadPatch) as error:
            raise BrokenStream(str(error)) from error


def _read_exactly(stream: IO[bytes], count: int) -> bytes | None:
    data = stream.read(count)
    return data if len(data) == count else None

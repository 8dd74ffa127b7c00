"""What goes up the pipe from the collector to the agent: length, then one MessagePack frame.

A frame is a heartbeat that carries samples when there are new ones. The reader trusts nothing: a
frame that is too long or malformed ends the stream, and the collector with it.
"""

import struct
from dataclasses import dataclass
from typing import IO

import msgspec

from mlops_desk.records.incident import DeviceEvent
from mlops_desk.telemetry.source import Busy, GpuSample, HostSample

LIMIT_BYTES = 16 << 20
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Frame:
    """A sign of life; ``busy`` names the driver call that is under way, ``events`` the driver reported just now.

    ``same`` lists the GPUs (UUIDs) whose facts, links and peers are those of the frame before, ``partial`` those of
    which only the metrics are told that changed.
    """

    sequence: int
    gpu: GpuSample | None = None
    host: HostSample | None = None
    busy: Busy | None = None
    events: tuple[DeviceEvent, ...] = ()
    same: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


class BrokenStream(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """What came up the pipe is no frame."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """Return ``frame`` with its length in front."""
    body = _encoder.encode(frame)
    return _LENGTH.pack(len(body)) + body


def read_frame(stream: IO[bytes]) -> Frame | None:
    """Return the next frame, or None at the end of the stream. Raises BrokenStream."""
    head = _read_exactly(stream, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > LIMIT_BYTES:
        raise BrokenStream(f"a frame of {length} bytes")
    body = _read_exactly(stream, length)
    if body is None:
        return None
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise BrokenStream(str(error)) from error


def _read_exactly(stream: IO[bytes], count: int) -> bytes | None:
    data = stream.read(count)
    return data if len(data) == count else None

"""What goes up the pipe from the collector to the agent: length, then one MessagePack frame.

A frame is a heartbeat that carries samples when there are new ones. The reader trusts nothing: a
frame that is too long or malformed ends the stream, and the collector with it.
"""

import struct
from dataclasses import dataclass
from typing import IO

import msgspec

from mlops_desk.records.gpu import GpuProcess, MigInstance
from mlops_desk.records.incident import DeviceEvent
from mlops_desk.records.metric import Reading
from mlops_desk.telemetry.source import Busy, GpuSample, HostSample

LIMIT_BYTES = 16 << 20  # chosen: many times the sample of a machine with 16 GPUs; a longer one is damage
_LENGTH = struct.Struct("<I")


Patched = float | Reading
"""A reading that changed: its number, where unit and state are as before."""


class GpuPatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed of a GPU since the frame before; None and nothing mean: as before. Links go by their place."""

    uuid: str
    readings: dict[str, Patched] = {}
    links: dict[int, dict[str, Patched]] = {}
    processes: tuple[GpuProcess, ...] | None = None
    mig: tuple[MigInstance, ...] | None = None
    reasons: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A sign of life; ``busy`` names the driver call that is under way, ``events`` the driver reported just now.

    ``gpu`` lists the GPUs that are told whole, ``patches`` what changed of the others.
    """

    sequence: int
    gpu: GpuSample | None = None
    host: HostSample | None = None
    busy: Busy | None = None
    events: tuple[DeviceEvent, ...] = ()
    patches: tuple[GpuPatch, ...] = ()


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

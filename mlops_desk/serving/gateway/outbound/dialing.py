"""Sockets that are connected to a replica, at ``unix:PATH`` or ``host:port``, within a deadline."""

import asyncio
import socket
from pathlib import Path

from mlops_desk.serving import door

_CONNECT_SECONDS = 2.0  # a container's socket lies on this machine: who does not accept by then hangs
_FULL_PAUSE_SECONDS = 0.02  # chosen: a full backlog is emptied as fast as the model accepts


class NotConnected(Exception):  # noqa: N818 - an answer for the caller, who may try another replica
    """Nobody answers at the address; nothing was sent."""


async def dial(address: str) -> socket.socket:
    """Return a connected socket, which does not block. Raises NotConnected."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            path = door.path_of(address)
            return await (_at_port(address) if path is None else _at_path(path))
    except OSError as error:  # TimeoutError is one
        raise NotConnected("nobody answers there") from error


async def _at_port(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, (host, int(port)))
    except BaseException:
        made.close()
        raise
    return made


async def _at_path(path: Path) -> socket.socket:
    """Connect to a socket of the file system. asyncio's own way takes a full queue for a connection."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        while True:
            try:
                with door.short(path) as name:
                    made.connect(name)
            except BlockingIOError:
                await asyncio.sleep(_FULL_PAUSE_SECONDS)
            else:
                return made
    except BaseException:
        made.close()
        raise

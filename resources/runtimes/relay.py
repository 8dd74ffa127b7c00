"""The way into an image that serves by itself: connections on the desk's socket become ones to a port beside it.

Runs in a container of its own, whose network namespace (without any network) the image's container shares. Python 3.9
and the standard library; everything between is bytes: streams, half-closes and upgrades pass as they are. What one
side does not read is not read from the other, so that nothing is held beyond some buffers.
"""

import asyncio
import os
import signal
import socket
import sys

HAND = "/mlops-desk/hand"
HAND_SECONDS = 30.0
PIECE_BYTES = 64 << 10  # what is in flight of one direction of one connection, at most twice
DIAL_SECONDS = 10.0  # chosen: a listener on loopback takes a connection at once, or is not there
BACKLOG = 512  # chosen: as many as the gateway lets in at once, and some


def way_in() -> socket.socket:
    """Return the socket that the desk hands over. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as desk:
        desk.settimeout(HAND_SECONDS)
        desk.connect(HAND)
        _, descriptors, _, _ = socket.recv_fds(desk, 1, 1)
    taken = socket.socket(fileno=descriptors[0])
    taken.setblocking(False)
    return taken


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until its end, and then that end; a broken side breaks both."""
    while True:
        piece = await reader.read(PIECE_BYTES)
        if not piece:
            break
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def relayed(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass one connection on, both ways, until both are at their ends."""
    far = None
    try:
        dialing = asyncio.open_connection("127.0.0.1", port, limit=PIECE_BYTES)
        there, far = await asyncio.wait_for(dialing, DIAL_SECONDS)
        ways = [asyncio.ensure_future(pour(reader, far)), asyncio.ensure_future(pour(there, writer))]
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
    except (TimeoutError, OSError):
        pass  # whoever asks sees a connection that ends
    finally:
        for end in (writer, far):
            if end is not None:
                end.transport.abort() if end.transport.get_write_buffer_size() else end.close()


async def serve(port: int) -> None:
    """Take connections until the process is told to end."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: ended.done() or ended.set_result(None))
    taken = way_in()
    server = await asyncio.start_unix_server(
        lambda reader, writer: relayed(port, reader, writer), sock=taken, backlog=BACKLOG, limit=PIECE_BYTES
    )
    print(f"passing on to port {port}", flush=True)
    await ended
    server.close()


def main() -> None:
    asyncio.run(serve(int(sys.argv[1])))
    os._exit(0)  # connections that are open end with it


if __name__ == "__main__":
    main()

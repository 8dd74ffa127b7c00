"""Forwards a socket to another one, as ``ssh -L`` does: RELAY LISTEN TARGET. Says ``ready``, then counts connections."""

import asyncio
import sys


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    there, back = await asyncio.open_unix_connection(sys.argv[2])
    await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def main() -> None:
    server = await asyncio.start_unix_server(_forward, sys.argv[1])
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

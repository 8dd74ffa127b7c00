"""What a container writes, at the moment it is written.

Its log does not tell: an engine hands on a line when it has ended, and a progress bar is one line that never does.
"""

from collections.abc import Iterator

from mlops_desk.base.text import plain
from mlops_desk.engines.docker.connection import Connections
from mlops_desk.engines.engine import HandEnder


def attached(connections: Connections, name: str, hand: HandEnder | None = None) -> Iterator[bytes]:
    """Yield b"" when it listens, then what is written, until the container ends or what ``hand`` got is called."""
    with connections.lent(f"Attaching to {plain(name)}", connections.deadline_seconds, fresh=True) as client:
        stream = client.attach(name, stdout=True, stderr=True, stream=True, logs=False)
        try:
            if hand is not None:
                hand(stream.close)
            yield b""
            yield from stream
        finally:
            stream._response.close()  # noqa: SLF001 - its own close() leaves half of the socket open

"""What a container has written, read from the engine once or followed to the container's end."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from mlops_desk.engines.docker.connection import Connections
from mlops_desk.engines.engine import HandEnder
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.text import plain

_OVERLAP_SECONDS = 2.0  # lines of one moment may come in another order when asked anew; those seen are dropped

Frame = tuple[bytes, bytes]
"""When it was written, as the engine's text, and what."""


def followed(
    connections: Connections,
    name: str,
    tail: int | None,
    is_running: Callable[[], bool],
    *,
    since: float = 0.0,
    quiet_seconds: float | None = None,
    hand: HandEnder | None = None,
) -> Iterator[Frame]:
    """Yield until the container ends; a silent stream is opened anew. Raises Unavailable: the log may go on.

    Only so can a frozen engine be told from a job that has nothing to say: after ``quiet_seconds``, or the deadline.
    What ``hand`` is given ends it for good: to the SDK a stream that was closed has come to its end.
    """
    recent, order = set[Frame](), deque[tuple[float, Frame]]()
    given_up = threading.Event()

    def hold(close: Callable[[], None]) -> None:
        def end() -> None:
            given_up.set()
            close()

        if hand is not None:
            hand(end)

    while not given_up.is_set():
        try:
            running = is_running()
            wanted = None if since else tail
            for stamp, text in frames(
                connections, name, wanted, since=since, follow=running, quiet_seconds=quiet_seconds, hand=hold
            ):
                if (stamp, text) not in recent:
                    at = written_at(stamp) or since
                    since = max(since, at)
                    recent.add((stamp, text))
                    order.append((at, (stamp, text)))
                    while order[0][0] < since - _OVERLAP_SECONDS:
                        recent.discard(order.popleft()[1])
                    yield stamp, text
        except NotFound:
            return  # removed meanwhile
        if not running:
            return


def frames(
    connections: Connections,
    name: str,
    tail: int | None,
    *,
    since: float = 0.0,
    follow: bool = False,
    quiet_seconds: float | None = None,
    hand: HandEnder | None = None,
) -> Iterator[Frame]:
    """Yield what was written, until there is no more or, with ``follow``, silence.

    Raises TimedOut when the engine falls silent before that: half of a log must not look like a whole one.
    """
    import urllib3  # noqa: PLC0415 - comes with the SDK, behind the same door

    what = f"Reading the log of {plain(name)}"
    options: dict[str, Any] = {"since": max(0.001, since - _OVERLAP_SECONDS)} if since else {}
    with connections.lent(what, quiet_seconds or connections.deadline_seconds, fresh=True) as client:
        stream = client.logs(
            name, stream=True, follow=follow, timestamps=True, tail="all" if tail is None else tail, **options
        )
        if hand is not None:
            hand(stream.close)
        try:
            for frame in stream:
                stamp, _, text = frame.partition(b" ")
                yield stamp, text
        except urllib3.exceptions.ReadTimeoutError:
            if not follow:
                raise
        finally:
            stream._response.close()  # noqa: SLF001 - its own close() leaves half of the socket open


def written_at(stamp: bytes) -> float | None:
    """Return the engine's time of a frame as Unix seconds; Podman's carries the machine's offset, Docker's a Z."""
    try:
        return datetime.fromisoformat(stamp.decode("ascii", "replace")).timestamp()
    except ValueError:
        return None

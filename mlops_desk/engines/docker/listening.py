"""Listening to what an engine tells while it works, in a way that somebody else can end at once."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from mlops_desk.engines.docker.connection import sdk
from mlops_desk.engines.engine import HandEnder, WasEnded


@contextlib.contextmanager
def listening(client: Any, what: str, hand: HandEnder | None) -> Iterator[None]:
    """Let ``hand`` have what ends the answer that ``client`` reads meanwhile; then WasEnded is raised here.

    An engine that loses its listener ends the pull or the build. An answer that has not begun is cut when it does.
    """
    over, answers = threading.Event(), list[Any]()

    def begun(answer: Any) -> None:
        answers.append(answer)
        if over.is_set():
            _cut(answer)

    def end() -> None:
        over.set()
        for answer in list(answers):
            _cut(answer)

    client.cut = begun
    if hand is not None:
        hand(end)
    try:
        yield
    except Exception as error:
        if over.is_set():
            raise WasEnded(f"{what} was ended.") from error
        raise
    finally:
        client.cut = None
        for answer in answers:
            answer.close()
    if over.is_set():
        raise WasEnded(f"{what} was ended.")


def _cut(answer: Any) -> None:
    """Shut down the connection under an answer: merely closing it would leave its reader waiting."""
    with contextlib.suppress(
        AttributeError, OSError, ValueError
    ):  # it is over already, or the SDK finds no socket: then the deadline ends it
        sdk().types.CancellableStream(iter(()), answer).close()

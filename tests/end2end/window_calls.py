"""What a window asks of its agent in its own thread, where a call that hangs would stop everything: nothing, it should be."""

import threading
from pathlib import Path

from mlops_desk.kit.api import exchange
from mlops_desk.kit.api.client import Begun
from mlops_desk.kit.api.exchange import AgentReply, Inquiry


def counted() -> list[str]:
    """Have calls to the agent noted from now on; return the list of those made in the thread that asks this."""
    window_thread, found, opened = threading.current_thread(), [], exchange.opened

    def noted(path: Path, question: Inquiry, silence_seconds: float | None, *more: Begun) -> AgentReply:
        if threading.current_thread() is window_thread:
            found.append(question.target)
        return opened(path, question, silence_seconds, *more)

    exchange.opened = noted
    return found

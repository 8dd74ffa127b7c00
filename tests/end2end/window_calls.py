"""What a window asks of its agent in its own thread, where a call that hangs would stop everything: nothing, it should be."""

import threading
from typing import Any

import httpx


def counted() -> list[str]:
    """Have calls to the agent noted from now on; return the list of those made in the thread that asks this."""
    window_thread, found, send = threading.current_thread(), [], httpx.Client.send

    def noted(self: httpx.Client, request: httpx.Request, **more: Any) -> httpx.Response:
        if threading.current_thread() is window_thread:
            found.append(str(request.url))
        return send(self, request, **more)

    httpx.Client.send = noted
    return found

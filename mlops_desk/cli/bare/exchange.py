"""One question to the agent over its socket, and the answer: HTTP as far as a verb needs it.

The whole client takes a sixth of a second to load, which is more than a command that is started a hundred times has.
"""

import json
import socket
from pathlib import Path
from typing import Any, NoReturn

from mlops_desk.base.errors import DeskError, Hint, TimedOut, Unavailable, heard

_CONNECT_SECONDS = 5.0  # as long as the whole client waits
_ANSWER_LIMIT_BYTES = 4 << 20  # as much as the agent takes itself
_PIECE_BYTES = 64 << 10  # chosen: most answers are one piece
_OK = 200  # HTTP's word for it
_HEAD_END = b"\r\n\r\n"


def ask(path: Path, verb: str, arguments: dict[str, Any], timeout_seconds: float, *, changes: bool) -> dict[str, Any]:
    """Ask a verb (``bare/claim``) of the agent at a socket. Raises Unavailable, TimedOut, or what the agent says."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(_CONNECT_SECONDS)
            agent.connect(str(path))
            agent.settimeout(timeout_seconds)
            agent.sendall(_question(verb, arguments, changes=changes))
            status, body = _answer(agent)
    except TimeoutError as error:
        text = f"The agent did not answer within {timeout_seconds:g} s."
        hint = Hint("mlops-desk jobs list", before="It may still do what was asked: ")
        raise TimedOut(text, hint) from error
    except OSError as error:
        raise Unavailable(f"The agent can't be reached: {error.strerror or error}.") from error
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Unavailable("The agent's answer is no JSON.") from error
    if status != _OK:
        _complain(found)
    if not isinstance(found, dict):
        raise Unavailable("The agent's answer is not of the expected form.")
    return found


def _complain(found: Any) -> NoReturn:
    if isinstance(found, dict):
        raise heard(found)
    raise DeskError("The agent refused, without a word.")


def _question(verb: str, arguments: dict[str, Any], *, changes: bool) -> bytes:
    if changes:
        body = json.dumps(arguments).encode()
        head = f"POST /v1/{verb} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    else:
        body = b""
        head = f"GET /v1/{verb}?{'&'.join(f'{key}={value}' for key, value in arguments.items())} HTTP/1.1\r\n"
    return f"{head}Host: agent\r\nConnection: close\r\n\r\n".encode() + body


def _answer(agent: socket.socket) -> tuple[int, bytes]:
    data = bytearray()
    while piece := agent.recv(_PIECE_BYTES):
        data += piece
        if len(data) > _ANSWER_LIMIT_BYTES:
            raise Unavailable("The agent's answer is longer than any it has.")
    head, found, body = bytes(data).partition(_HEAD_END)
    words = head.split(b"\r\n", 1)[0].split()
    if not found or len(words) < 2 or not words[1].isdigit():
        raise Unavailable("The agent ended in the middle of its answer.")
    return int(words[1]), body

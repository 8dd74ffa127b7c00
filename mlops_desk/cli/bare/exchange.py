"""One question of ``exec`` to the agent, and the answer, as documents of JSON: no record is loaded for it."""

import json
from pathlib import Path
from typing import Any

from mlops_desk.api import exchange
from mlops_desk.api.exchange import ExchangeError, Inquiry
from mlops_desk.api.questions import document, query, refuse
from mlops_desk.base.errors import Hint, TimedOut, Unavailable


def ask(path: Path, verb: str, arguments: dict[str, Any], timeout_seconds: float, *, changes: bool) -> dict[str, Any]:
    """Ask a verb (``bare/claim``) of the agent at a socket. Raises Unavailable, TimedOut, or what the agent says."""
    try:
        with exchange.opened(path, _question(verb, arguments, changes=changes), timeout_seconds) as answer:
            refuse(answer)
            found = document(answer.whole())
    except (exchange.ReadTimeout, exchange.ConnectTimeout) as error:
        text = f"The agent did not answer within {timeout_seconds:g} s."
        hint = Hint("mlops-desk jobs list", before="It may still do what was asked: ")
        raise TimedOut(text, hint) from error
    except ExchangeError as error:
        raise Unavailable(f"The agent can't be reached: {error}") from error
    if not isinstance(found, dict):
        raise Unavailable("The agent's answer is not of the expected form.")
    return found


def _question(verb: str, arguments: dict[str, Any], *, changes: bool) -> Inquiry:
    path = f"/v1/{verb}"
    return Inquiry(path, json.dumps(arguments).encode()) if changes else Inquiry(f"{path}?{query(arguments)}")

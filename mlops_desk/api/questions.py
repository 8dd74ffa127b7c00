"""What a verb is asked by, as HTTP has it, and what its answer says: words to send, and documents that were told."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from mlops_desk.api.exchange import AgentReply, Inquiry
from mlops_desk.base.errors import Invalid, Unavailable, heard

if TYPE_CHECKING:
    from mlops_desk.verbs.declaration import Verb

VERSION_HEADER = "x-agent-version"
"""Carries with each answer which version of this program the agent is."""


class Told(NamedTuple):
    """What was answered, as JSON has it, and by which version of this program; None before agents said so."""

    document: Any
    version: str | None


def question(verb: "Verb", arguments: Mapping[str, Any]) -> Inquiry:
    """Return how a verb is asked for: what was not given is not sent."""
    from mlops_desk.base import wire  # noqa: PLC0415 - records, which a command on leased GPUs asks with none of

    given = {name: value for name, value in arguments.items() if value is not None}
    if verb.has_body:
        return Inquiry(verb.path, wire.dumps(given).encode())
    return Inquiry(f"{verb.path}?{query(given)}" if given else verb.path)


def query(given: Mapping[str, Any]) -> str:
    """Return arguments as the words of a URL; a list is the same word several times."""
    return urlencode({name: _words(value) for name, value in given.items()}, doseq=True)


def _words(value: Any) -> str | list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else _word(value)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def document(text: bytes) -> Any:
    """Read a document of JSON, in UTF-8. Raises Invalid.

    The library would guess other encodings from the bytes, and load them (``base.wire``).
    """
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not a JSON document: {error}.") from error


def refuse(answer: AgentReply) -> None:
    """Raise what the agent says, where it says that something is wrong; else nothing of the answer is read."""
    if not answer.is_error:
        return
    try:
        told = document(answer.whole())
    except Invalid as error:
        raise Unavailable(f"The agent answered {answer.status} without an explanation.") from error
    raise heard(told)

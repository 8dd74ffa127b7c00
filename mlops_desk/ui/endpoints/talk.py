"""A conversation with a model that takes messages, as OpenAI's chat completions have them. Pure."""

import json
from typing import Any

_ROLES = {"system", "user", "assistant"}
Message = dict[str, str]


def messages_of(example: Any) -> list[Message] | None:
    """Return the messages of an example; None where it is no conversation of texts."""
    told = example.get("messages") if isinstance(example, dict) else None
    if not isinstance(told, list) or not told:
        return None
    found: list[Message] = []
    for one in told:
        if not isinstance(one, dict) or one.get("role") not in _ROLES or not isinstance(one.get("content"), str):
            return None
        found.append({"role": one["role"], "content": one["content"]})
    return found


def with_messages(example: dict[str, Any], messages: list[Message]) -> dict[str, Any]:
    """Return a body with other messages, answered in one piece."""
    return {**{key: value for key, value in example.items() if key != "stream"}, "messages": messages}


def answer_of(body: str) -> str | None:
    """Return what a model wrote, out of its answer; None where that has another form."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    choices = told.get("choices") if isinstance(told, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) else None

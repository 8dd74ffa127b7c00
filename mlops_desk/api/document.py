"""The OpenAPI description of a verb, from its declaration."""

from typing import Any

import msgspec

from mlops_desk.verbs.declaration import Verb


def describe(verb: Verb) -> dict[str, Any]:
    """Return what FastAPI merges into the OpenAPI document for this verb's route."""
    text = {"description": verb.doc}
    answer = {"200": {"description": "The answer", "content": _content(verb)}}
    if verb.mark.changes:
        return {
            **text,
            "requestBody": {"content": {"application/json": {"schema": _object(verb)}}},
            "responses": answer,
        }
    parameters = [
        {"name": item.name, "in": "query", "required": item.required, "schema": msgspec.json.schema(item.type)}
        for item in verb.parameters
    ]
    return {**text, "parameters": parameters, "responses": answer}


def _content(verb: Verb) -> dict[str, Any]:
    if verb.streams:
        return {"application/x-ndjson": {"schema": {"type": "string"}}}
    return {"application/json": {"schema": msgspec.json.schema(verb.returns)}}


def _object(verb: Verb) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {item.name: msgspec.json.schema(item.type) for item in verb.parameters},
        "required": [item.name for item in verb.parameters if item.required],
    }

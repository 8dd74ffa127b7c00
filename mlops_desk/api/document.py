"""The OpenAPI description of the API, from the verbs' declarations."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mlops_desk import __version__
from mlops_desk.verbs.declaration import Verb


def document(verbs: Sequence[Verb]) -> dict[str, Any]:
    """Return the OpenAPI document that describes ``verbs``."""
    paths: dict[str, dict[str, Any]] = {}
    for verb in verbs:
        paths.setdefault(verb.path, {})["post" if verb.has_body else "get"] = describe(verb)
    return {"openapi": "3.1.0", "info": {"title": "MLOps Desk agent", "version": __version__}, "paths": paths}


def describe(verb: Verb) -> dict[str, Any]:
    """Return how the document tells one verb."""
    text = {
        "operationId": f"{verb.service}.{verb.name}",
        "summary": verb.doc.partition("\n")[0],
        "description": verb.doc,
        "x-who": verb.mark.who.value,
        **({"x-why": verb.mark.why} if verb.mark.why else {}),
    }
    answer = {"200": {"description": "The answer", "content": _content(verb)}}
    if verb.has_body:
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

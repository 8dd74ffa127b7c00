"""The JSON Schema of job files, made from the tables that read them, for editors and other programs.

It takes whatever a file may say; what makes no sense together is told when a file is read.
"""

from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from mlops_desk.jobs.file.fields import JobFile
from mlops_desk.jobs.file.kinds import Kind, kind_of

_ADDRESS = "https://json-schema.org/draft/2020-12/schema"
_IDENTITY = "urn:mlops-desk:job-file:v1"
_NULL = {"type": "null"}


def job_schema() -> dict[str, Any]:
    """Return the schema of a whole job file."""
    about = {"$schema": _ADDRESS, "$id": _IDENTITY, "title": "MLOps Desk job file (mlops-desk/v1)"}
    either = [{"required": ["image"]}, {"required": ["build"]}]
    return {**about, **_table(JobFile), "anyOf": either}


def _table(kind: type[Struct]) -> dict[str, Any]:
    fields = msgspec.structs.fields(kind)
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {
            item.encode_name: _told(kind_of(item.type), _value(kind_of(item.type), null=not item.required))
            for item in fields
        },
        "required": [item.encode_name for item in fields if item.required],
        "additionalProperties": False,
    }


def _told(kind: Kind, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema with what it is for, and how it is written."""
    texts = [kind.told, None if kind.form is None else f"Expected: {kind.form.wanted}"]
    description = ". ".join(f"{text[0].upper()}{text[1:]}" for text in texts if text)
    return {"description": f"{description}.", **schema} if description else schema


def _value(kind: Kind, *, null: bool = False) -> dict[str, Any]:
    if null:
        return {"anyOf": [_value(kind), _NULL]}
    if kind.other is not None:
        return {"anyOf": [_table(kind.type), _value(kind.other)]}
    if kind.is_table:
        return _table(kind.type)
    if kind.is_list:
        return {"type": "array", "items": _value(kind.parts[0]), **_length(kind, "Items")}
    if kind.is_mapping:
        key, value = kind.parts
        return {
            "type": "object",
            "propertyNames": _value(key),
            "additionalProperties": _value(value),
            **_length(kind, "Properties"),
        }
    return _scalar(kind)


def _length(kind: Kind, what: str) -> dict[str, int]:
    most = {} if kind.most is None else {f"max{what}": kind.most}
    return {**({f"min{what}": kind.least} if kind.least else {}), **most}


def _scalar(kind: Kind) -> dict[str, Any]:
    if get_origin(kind.type) is Literal:
        return {"enum": list(get_args(kind.type))}
    form = kind.form
    if form is None:
        raise TypeError(f"{kind.whole} says nowhere how it is written.")
    types = form.types[0] if len(form.types) == 1 else list(form.types)
    text = {} if form.pattern is None else {"pattern": form.pattern}
    shortest = {} if form.empty or "string" not in form.types else {"minLength": 1}
    return {"type": types, **text, **shortest, **_bounds(kind)}


def _bounds(kind: Kind) -> dict[str, Any]:
    """Return the bounds of a number, which hold where it is written as one."""
    form = kind.form
    if form is None or not {"integer", "number"} & set(form.types):
        return {}
    names = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
    metas = [meta for meta in getattr(kind.whole, "__metadata__", ()) if isinstance(meta, Meta)]
    return {
        name: getattr(meta, bound)
        for meta in metas
        for bound, name in names.items()
        if getattr(meta, bound) is not None
    }

"""The JSON Schema of a document, made from the tables that read it, for editors and other programs.

It takes whatever a document may say; what makes no sense together is told when one is read. A table that may hold
itself stands once under ``$defs``.
"""

from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from mlops_desk.kit.base.document.field_declarations import Kind, kind_of

_ADDRESS = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}


def schema_of(table: type[Struct], identity: str, title: str) -> dict[str, Any]:
    """Return the schema of a whole document, which is a ``table``."""
    writer = _Writer()
    about = {"$schema": _ADDRESS, "$id": identity, "title": title}
    found = {**about, **writer.table(table)}
    return {**found, "$defs": writer.shared} if writer.shared else found


class _Writer:
    def __init__(self) -> None:
        self.shared: dict[str, Any] = {}
        self._within: list[type[Struct]] = []

    def table(self, kind: type[Struct]) -> dict[str, Any]:
        if kind in self._within:
            self.shared.setdefault(kind.__name__, None)
        if kind.__name__ in self.shared:
            return {"$ref": f"#/$defs/{kind.__name__}"}
        self._within.append(kind)
        fields = msgspec.structs.fields(kind)
        found = {
            "type": "object",
            "description": (kind.__doc__ or "").strip(),
            "properties": {
                item.encode_name: _told(kind_of(item.type), self._value(kind_of(item.type), null=not item.required))
                for item in fields
            },
            "required": [item.encode_name for item in fields if item.required],
            "additionalProperties": False,
        }
        self._within.pop()
        if kind.__name__ not in self.shared:
            return found
        self.shared[kind.__name__] = found
        return {"$ref": f"#/$defs/{kind.__name__}"}

    def _value(self, kind: Kind, *, null: bool = False) -> dict[str, Any]:
        if null:
            return {"anyOf": [self._value(kind), _NULL]}
        if kind.other is not None:
            return {"anyOf": [self.table(kind.type), self._value(kind.other)]}
        if kind.is_table:
            return self.table(kind.type)
        if kind.is_list:
            return {"type": "array", "items": self._value(kind.parts[0]), **_length(kind, "Items")}
        if kind.is_mapping:
            key, value = kind.parts
            return {
                "type": "object",
                "propertyNames": self._value(key),
                "additionalProperties": self._value(value),
                **_length(kind, "Properties"),
            }
        return _scalar(kind)


def _told(kind: Kind, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema with what it is for, and how it is written."""
    texts = [kind.told, None if kind.form is None else f"Expected: {kind.form.wanted}"]
    description = ". ".join(f"{text[0].upper()}{text[1:]}" for text in texts if text)
    return {"description": f"{description}.", **schema} if description else schema


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

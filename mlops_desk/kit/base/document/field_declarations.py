"""What the tables of a document declare of their fields, and tables as plain values and YAML again."""

import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import yaml
from msgspec import Meta, Struct

from mlops_desk.kit.base.document.scalar_types import Form

_LINE_BREAKS = frozenset("\x85\u2028\u2029")
_WIDTH = 4096  # chosen: nobody's line is folded


def written_as(form: Form) -> dict[str, Form]:
    """Return what a field's type carries of its form."""
    return {"form": form}


def told(text: str) -> Meta:
    """Return a field's description."""
    return Meta(description=text)


@dataclass(frozen=True, slots=True)
class Kind:
    """A field's type, without None and without what is annotated; ``least`` and ``most`` are how long it may be.

    ``other`` is what it is where no table stands. ``told`` is what the field is for.
    """

    type: Any
    whole: Any
    form: Form | None = None
    least: int = 0
    most: int | None = None
    told: str | None = None
    other: "Kind | None" = None

    @property
    def is_table(self) -> bool:
        return isinstance(self.type, type) and issubclass(self.type, Struct)

    @property
    def is_list(self) -> bool:
        return get_origin(self.type) is tuple

    @property
    def is_mapping(self) -> bool:
        return get_origin(self.type) is dict

    @property
    def parts(self) -> tuple["Kind", ...]:
        """The kind of a list's items; those of a mapping's keys and values."""
        return tuple(kind_of(part) for part in get_args(self.type) if part is not Ellipsis)


def written(table: Struct) -> dict[str, Any]:
    """Return a table as YAML writes it, without what is at its default."""
    found = {}
    for item in msgspec.structs.fields(table):
        value = getattr(table, item.name)
        if item.required or value != _default(item):
            found[item.encode_name] = _written(value, kind_of(item.type))
    return found


def _written(value: Any, kind: Kind) -> Any:
    if isinstance(value, Struct):
        return written(value)
    if isinstance(value, tuple):
        items = kind.other or kind
        return [_written(item, items.parts[0]) for item in value]
    if isinstance(value, dict):
        return {key: _written(item, kind.parts[1]) for key, item in value.items()}
    return value if kind.form is None else kind.form.write(value)


def _default(item: msgspec.structs.FieldInfo) -> Any:
    return item.default if item.default_factory is msgspec.NODEFAULT else item.default_factory()


@cache
def kind_of(declared: Any) -> Kind:
    """Return what a field's declaration says."""
    if get_origin(declared) in {Union, types.UnionType}:
        options = [option for option in get_args(declared) if option is not types.NoneType]
        found = kind_of(options[0])
        return found if len(options) == 1 else replace(found, other=kind_of(options[1]))
    if get_origin(declared) is not Annotated:
        return Kind(declared, declared)
    metas = [meta for meta in reversed(declared.__metadata__) if isinstance(meta, Meta)]
    inner = get_args(declared)[0]
    return Kind(
        inner,
        declared,
        form=next((meta.extra["form"] for meta in metas if meta.extra is not None), None),
        least=next((meta.min_length for meta in metas if meta.min_length is not None), 0),
        most=next((meta.max_length for meta in metas if meta.max_length is not None), None),
        told=next((meta.description for meta in metas if meta.description is not None), None),
    )


def write_document(document: Mapping[str, object]) -> str:
    """Write tables and lists as YAML."""
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH)
    if _LINE_BREAKS.isdisjoint(text):
        return text
    # YAML takes these for line breaks and would read them back as blanks.
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=False, width=_WIDTH)

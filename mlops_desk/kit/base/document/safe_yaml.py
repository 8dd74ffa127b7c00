"""Reads YAML from outside: small, of plain types alone, and counted before it is walked through.

An alias in YAML stands for all that it names, so a few lines may mean billions of values: those are shared while they
are only held, and cost nothing until somebody walks through them. Who walks here has a budget. Numbers to the base of
sixty (1:59:59) take time that grows with the square of their length: a long one is refused.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

LIMIT_BYTES = 1 << 20
"""More of a file is not read: MLmodel has a few KB."""
_MOST_EVENTS = 100_000  # chosen: a signature of 20,000 columns stands in one text
_MOST_VALUES = 20_000  # chosen: as many as are walked through once aliases are followed
_DEEPEST = 40  # chosen: deeper than anything that MLflow writes
_LONGEST_NUMBER = 64  # chosen: twice a long id of digits alone; 1 MiB of 1:59:59… takes more than half a minute
_TEXT_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})


def read_document(data: bytes, name: str) -> Mapping[str, Any]:
    """Return the mapping that a YAML file is. Raises Invalid."""
    if len(data) > LIMIT_BYTES:
        raise Invalid(f"{name} is larger than {LIMIT_BYTES >> 20} MiB.")
    try:
        _count(data, name)
        document = yaml.load(data, Loader=_LOADER)  # noqa: S506 - a safe loader, in C where there is one
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise Invalid(f"{name} is no YAML that can be read: {plain(str(error).splitlines()[0], 200)}.") from error
    if not isinstance(document, dict):
        raise Invalid(f"{name} is not of the form that MLflow writes.")
    _walk(document, name)
    return {str(key): value for key, value in document.items()}


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _count(data: bytes, name: str) -> None:
    for number, event in enumerate(yaml.parse(data, Loader=_LOADER)):
        if number > _MOST_EVENTS:
            raise Invalid(f"{name} has more parts than are read here.")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST_NUMBER and _may_be_of_sixty(event):
            raise Invalid(f"{name} holds a number of {len(event.value)} digits.")


def _may_be_of_sixty(event: yaml.ScalarEvent) -> bool:
    """Tell whether a scalar may be a number to the base of sixty: in quotes it is none, unless a tag says so."""
    could = event.tag not in _TEXT_TAGS or (event.implicit[0] and event.value[0] in "+-.0123456789")
    return could and ":" in event.value


def _walk(document: Any, name: str) -> None:
    """Refuse what is too large or too deep once its aliases are followed, or goes round in a circle."""
    waiting, n_values = [(document, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        n_values += 1
        if n_values > _MOST_VALUES or depth > _DEEPEST:
            raise Invalid(f"{name} refers to itself, or is larger than it looks; it was not read further.")
        if isinstance(value, dict):
            waiting += [(one, depth + 1) for one in value.values()]
        elif isinstance(value, list):
            waiting += [(one, depth + 1) for one in value]


def mapping_in(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a mapping that stands in a document; empty where there is none."""
    found = document.get(key)
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def word(value: Any, limit: int = 200) -> str | None:
    """Return a text or number of a document as a text, None for anything else."""
    return plain(str(value), limit) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None

"""How runs are ordered, in the words of the command line: ``metrics.auc:desc``, ``params.lr``, ``start_time:desc``.

Several stand with commas between them, the first one counting most.
"""

import re
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

ATTRIBUTES = frozenset({"start_time", "end_time", "status", "artifact_uri", "run_id", "run_name"})

_HINT = "Write it as metrics.NAME:desc, params.NAME:asc, tags.NAME:asc, or start_time:desc."
_KINDS = {
    "metric": "metrics",
    "metrics": "metrics",
    "param": "params",
    "params": "params",
    "parameter": "params",
    "parameters": "params",
    "tag": "tags",
    "tags": "tags",
    "attr": "attributes",
    "attribute": "attributes",
    "attributes": "attributes",
    "run": "attributes",
}
_QUOTES = "`\"'"
_PARTS = re.compile(r"""(`[^`]*`|"[^"]*"|'[^']*'|,)""")


@dataclass(frozen=True, slots=True)
class SortKey:
    """What to sort by: ``kind`` is metrics, params, tags or attributes."""

    kind: str
    name: str
    descending: bool

    @property
    def clause(self) -> str:
        """This key as an ``order_by`` clause of MLflow.

        MLflow turns every backtick into a double quote and splits like a shell, so a name goes between
        backticks with any content but quotes and backslashes (which MLflow allows in no name).
        """
        direction = "DESC" if self.descending else "ASC"
        if self.kind == "attributes":
            return f"attributes.{self.name} {direction}"
        return f"{self.kind}.`{self.name}` {direction}"


def parse_sorts(text: str | None) -> tuple[SortKey, ...]:
    """Read sort keys; None: MLflow's own order. Raises Invalid, also where one stands twice, as MLflow does."""
    if text is None:
        return ()
    parts = [""]
    for part in _PARTS.split(text):
        if part == ",":
            parts.append("")
        else:
            parts[-1] += part
    keys = tuple(map(parse_sort, parts))
    for place, key in enumerate(keys):
        if any((one.kind, one.name) == (key.kind, key.name) for one in keys[:place]):
            raise Invalid(f"Runs can't be sorted by {plain(parts[place].strip())} twice.", "Name each key once.")
    return keys


def parse_sort(text: str) -> SortKey:
    """Read a sort key. Raises Invalid, with the forms that are understood."""
    body, descending = _direction(text.strip())
    if body == text.strip() and ":" in body and body[-1] not in _QUOTES:
        word = plain(body.rpartition(":")[2])
        hint = f"asc or desc. Is the colon part of a name, write {plain(body)}:asc."
        raise Invalid(f"{word!r} is no direction to sort in.", f"It is {hint}")
    kind, dot, name = body.partition(".")
    if not dot:
        kind, name = "attributes", body
    if kind not in _KINDS:
        raise Invalid(f"Runs can't be sorted by {plain(text)!r}.", _HINT)
    name = _unquoted(name)
    if not name or any(character in _QUOTES + "\\\n\r" for character in name):
        raise Invalid(f"MLflow can't sort by a name like {plain(name)!r}.", _HINT)
    if _KINDS[kind] == "attributes" and name not in ATTRIBUTES:
        text = f"A run has no attribute {plain(name)!r} to sort by."
        raise Invalid(text, f"There are {', '.join(sorted(ATTRIBUTES))}; a metric is metrics.{plain(name)}:desc.")
    return SortKey(_KINDS[kind], name, descending)


def _direction(text: str) -> tuple[str, bool]:
    """Split ``:asc`` or ``:desc`` off; a name may itself hold colons (then it needs one of them, or quotes)."""
    body, colon, word = text.rpartition(":")
    if colon and word.strip().lower() in {"asc", "desc"}:
        return body.strip(), word.strip().lower() == "desc"
    return text, False


def _unquoted(name: str) -> str:
    if len(name) >= 2 and name[0] == name[-1] and name[0] in _QUOTES:
        return name[1:-1]
    return name

"""What differs from run to run without anything having changed, and the sign that stands for it in a snapshot."""

import json
import re
from pathlib import Path
from typing import Any

MOST_TEXTS = 40
"""More distinct texts under one key of a list are content, not form."""
_UNITS = r"(?:[kKMGT]i?B(?:/s)?|[kMG]b/s|B(?:/s)?|ms|µs|s|min|h|d|GPU-h|W|°C|GHz|MHz|%)"
_NUMBER = r"(?<![\w#])[-−+]?\d(?:[\d,]*\d)?(?:\.\d+)?(?:e[-+]?\d+)?"
_CHECKOUT = str(Path(__file__).resolve().parents[2])
_SIGNS = (
    (re.compile(re.escape(_CHECKOUT)), "<checkout>"),
    (re.compile(r"[\w\"',:;.\\{}()\[\]-]*…"), "…"),
    (re.compile(r"/[^\s'\"]*freeze-[^\s'\",;:)]*"), "<path>"),
    (re.compile(r"(?<![\w/+])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[A-Za-z0-9+/_-]{40,}={0,2}"), "<data>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"), "<time>"),
    (re.compile(r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?\d{1,2} [A-Z][a-z]{2}(?: \d{4})?(?:,? \d\d:\d\d)?\b"), "<time>"),
    (re.compile(r"\b\d\d?:\d\d(?::\d\d)?\b"), "<time>"),
    (re.compile(r"[▁▂▃▄▅▆▇█]+|(?<!\S)[.#!x?]{4,}(?!\S)"), "<curve>"),
    (re.compile(r"\b\d+\.\d+(?![\w.])"), "0"),
    (re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f]{6,}(?:-[0-9a-f]+)*\b"), "0"),
    (re.compile(rf"{_NUMBER}(?:[ \u00a0\u2009\u202f]?{_UNITS}(?![\w]))?"), "#"),
    (re.compile(r"(?:\bin )?#(?:[ \u00a0\u2009\u202f]#)*(?: ago)?"), "#"),
    (re.compile(r"\b(?:today|yesterday|just now|now)\b"), "#"),
)  # fmt: skip


def text(found: str) -> str:
    """Return ``found`` with signs in place of times, ages, ids and numbers, curves, bytes and the snapshot's own folder."""
    for pattern, sign in _SIGNS:
        found = pattern.sub(sign, found)
    return found


def lines(found: str) -> str:
    """Return a printed answer without its widths: each line that is different from all before it, once."""
    plain = (re.sub(r"(?: {2,}|\t)+", "  ", text(line)).rstrip() for line in found.splitlines())
    return "\n".join(dict.fromkeys(plain)) + "\n"


def value(found: Any) -> Any:
    """Return the form of a document: keys and texts stay, numbers are a sign, a list is what its elements have in it."""
    if isinstance(found, dict):
        pairs = sorted((text(str(key)), inner) for key, inner in found.items())
        return {key: value(inner) for key, inner in pairs}
    if isinstance(found, list):
        return _common([value(inner) for inner in found])
    if isinstance(found, bool) or found is None:
        return found
    return text(found) if isinstance(found, str) else "#"


def kinds(found: Any, depth: int = 3) -> Any:
    """Return of the form of a document only the upper keys: of what lives, further ones are there at times."""
    if isinstance(found, dict) and depth:
        return {key: kinds(inner, depth - 1) for key, inner in found.items()}
    tables = [inner for inner in found if isinstance(inner, dict)] if isinstance(found, list) and depth > 1 else []
    return [kinds(inner, depth - 1) for inner in tables] or "…"


def _common(elements: list[Any]) -> list[Any]:
    """Return one element that has the keys of all, each with all values that it has anywhere, and what else there is."""
    tables = [element for element in elements if isinstance(element, dict)]
    rest = {json.dumps(element, sort_keys=True): element for element in elements if not isinstance(element, dict)}
    found = [rest[key] for key in sorted(rest)][:MOST_TEXTS]
    if not tables:
        return found
    every = sorted({key for table in tables for key in table})
    return [{key: _values([table[key] for table in tables if key in table]) for key in every}, *found]


def _values(elements: list[Any]) -> Any:
    flat = [inner for element in elements for inner in (element if isinstance(element, list) else [element])]
    common = _common(flat)
    return common[0] if len(common) == 1 else common

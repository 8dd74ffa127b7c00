"""What rules make of one value: left out, masked, or hashed by a key. Pure, for gateway and rewriting alike.

A value that was masked or hashed before stays as it is, so that rules may be applied twice. What nobody sent stays
nothing.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

MASKED = "***"
HASHED = r"h:[0-9a-f]{32}"
"""What a hashed value looks like: half of an HMAC-SHA256, which two of a billion values share once in 10^20 times."""
_HASHED = re.compile(HASHED)


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """The columns by what becomes of them. Names are told apart without regard to case, as DuckDB does."""

    dropped: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    def __bool__(self) -> bool:
        return bool(self.dropped or self.masked or self.hashed)

    def concerns(self, name: str) -> bool:
        """Tell whether there is a rule for a column."""
        return self.drops(name) or self.rewrites(name)

    def drops(self, name: str) -> bool:
        """Tell whether a column is left out. What was to be hashed, and there is no key for it, is left out too."""
        small = name.casefold()
        return small in self.dropped or (small in self.hashed and not self.key)

    def rewrites(self, name: str) -> bool:
        """Tell whether a column's values become other ones."""
        small = name.casefold()
        return not self.drops(name) and (small in self.masked or small in self.hashed)

    def value(self, name: str, value: Any) -> Any:
        """Return what a value of a rewritten column becomes; of lists and objects each value in them."""
        if isinstance(value, list):
            return [self.value(name, one) for one in value]
        if isinstance(value, Mapping):
            return {key: self.value(name, one) for key, one in value.items()}
        if value is None or value == "":
            return value
        if name.casefold() not in self.hashed:
            return MASKED
        text = text_of(value)
        if text == MASKED or _HASHED.fullmatch(text):
            return text
        digest = hmac.new(self.key, f"{name.casefold()}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"h:{digest.hexdigest()[:32]}"

    def pruned(self, value: Any) -> Any:
        """Return a document of JSON as it may be logged, whichever keys in it are columns."""
        if isinstance(value, list):
            return [self.pruned(one) for one in value]
        if not isinstance(value, Mapping):
            return value
        return {
            key: self.value(key, one) if self.rewrites(key) else self.pruned(one)
            for key, one in value.items()
            if not self.drops(key)
        }


def rules_of(
    dropped: Collection[str] = (), masked: Collection[str] = (), hashed: Collection[str] = (), key: str = ""
) -> RedactionRules:
    """Return rules of names as they were written; ``key`` is hex."""
    return RedactionRules(_small(dropped), _small(masked), _small(hashed), bytes.fromhex(key))


def _small(names: Collection[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


def text_of(value: Any) -> str:
    """Return a value as one text, whether it comes from a request or from a column: 3 and 3.0 are the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str) else json.dumps(value, default=str)

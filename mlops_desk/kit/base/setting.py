"""One setting: what it is called, what values it takes, and how a value is read from text."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain, span

Value = str | int | float | bool
_SHOWN = 200  # chosen: enough to see what is meant


@dataclass(frozen=True, slots=True)
class Setting:
    """A declaration. ``kind``: text, path, choice, integer, number or switch; limits are in ``unit``.

    ``form`` is the regular expression that all of a text must match, "" for any. A ``secret`` value is never shown,
    logged or written into the audit trail.
    """

    key: str
    section: str
    title: str
    help: str
    kind: str
    default: Value
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    secret: bool = False
    form: str = ""

    def parse(self, text: str) -> Value:
        """Turn text into a value of this setting's kind within its limits; raises Invalid."""
        try:
            value = _PARSERS[self.kind](text)
        except ValueError as error:
            raise self._wrong(text) from error
        return self.check(value)

    def check(self, value: Value) -> Value:
        """Return ``value`` if it fits this declaration; raises Invalid."""
        if type(value) is not type(self.default):
            raise self._wrong(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._wrong(value)
        if isinstance(value, str) and self.form and not re.fullmatch(self.form, value, re.ASCII):
            raise Invalid(f"{self.title}: {plain(value, _SHOWN)!r} is not of the form that is asked for.", self.help)
        if self.choices and value not in self.choices:
            raise Invalid(f"{self.title}: {value!r} is none of {', '.join(self.choices)}.", self.help)
        low, high = self.minimum, self.maximum
        if isinstance(value, (int, float)) and (
            (low is not None and value < low) or (high is not None and value > high)
        ):
            raise Invalid(f"{self.title}: {value} is not within {span(low, high)}.", self.help)
        return value

    def _wrong(self, given: Value) -> Invalid:
        return Invalid(f"{self.title}: {plain(repr(given))} is not {_KINDS[self.kind]}.", self.help)


def _switch(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"true", "yes", "on", "1"}:
        return True
    if lowered in {"false", "no", "off", "0"}:
        return False
    raise ValueError(text)


_PARSERS: dict[str, Callable[[str], Value]] = {
    "text": str.strip,  # what is pasted often has a blank or a line's end behind it
    "path": str.strip,
    "choice": str,
    "integer": int,
    "number": float,
    "switch": _switch,
}

_KINDS = {
    "text": "a text",
    "path": "a path",
    "choice": "a choice",
    "integer": "an integer",
    "number": "a number",
    "switch": "a switch (on or off)",
}

"""The verbs about what is taken out of request logs: rules, what they would do, and what was logged before them."""

import re
import time
from abc import ABC
from builtins import list as list_of
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.governance.records.data.redaction import (
    KeptRedaction,
    RedactedValue,
    Redaction,
    RedactionHint,
    RedactionPreview,
    RedactionWay,
    RewriteDone,
    RewritePlan,
)
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.request_log.redaction import RedactionRules, rules_of
from mlops_desk.kit.storage.state import DataTables
from mlops_desk.kit.verbs.declaration import check_limit
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.request import LoggedRequest

# Which columns may hold data of persons, by their names and by what their values look like. Only suggested. Pure.
_LEAST_SHARE = 0.5  # chosen: what half of the values look like, the column is of
_LEAST_VALUES = 3  # chosen: one value that looks like a card's number is a number
_NAMES: tuple[tuple[str, str, RedactionWay], ...] = (
    (r"e_?mail.*|.*_e_?mail", "e-mail addresses", RedactionWay.HASH),
    (r"(first|last|full|sur|family|given|middle|maiden)_?name|name|nachname|vorname", "names of persons",
     RedactionWay.DROP),
    (r"(.*_)?(phone|mobile|tel|telephone|fax)(_?(number|no|nr))?", "telephone numbers", RedactionWay.DROP),
    (r"ssn|social_?security.*|national_?id|tax_?(id|number)|passport.*|id_?card.*|drivers?_?licen[cs]e.*",
     "official numbers of persons", RedactionWay.DROP),
    (r"(.*_)?(address|street|postcode|postal_?code|zip(_?code)?)", "addresses", RedactionWay.DROP),
    (r"(birth_?(date|day)|date_?of_?birth|dob)", "dates of birth", RedactionWay.DROP),
    (r"iban|bic|account_?(number|no)|card_?(number|no)|credit_?card.*|cvv", "accounts and cards", RedactionWay.DROP),
    (r"(.*_)?ip(_?addr(ess)?)?|.*_ip", "addresses in the network", RedactionWay.HASH),
    (r"(user|customer|client|patient|person|member|employee)_?(id|number|no|name)?", "who somebody is",
     RedactionWay.HASH),
    (r"gender|sex|religion|ethnicity|race|nationality|marital_?status", "what somebody is", RedactionWay.MASK),
    (r"lat(itude)?|lon(gitude)?|lng|gps.*", "where somebody was", RedactionWay.DROP),
)  # fmt: skip
_VALUES: tuple[tuple[str, str, RedactionWay], ...] = (
    (r"[^@\s]{1,64}@[^@\s]+\.[A-Za-z]{2,}", "e-mail addresses", RedactionWay.HASH),
    (r"\d{3}-\d{2}-\d{4}", "social security numbers", RedactionWay.DROP),
    (r"[A-Z]{2}\d{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,3})?", "account numbers (IBAN)", RedactionWay.DROP),
    (r"(\+|00)\d[\d /().-]{6,}\d", "telephone numbers", RedactionWay.DROP),
    (r"((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)", "addresses in the network", RedactionWay.HASH),
)
_CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
_WORD_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s.-]+")
_BY_NAME = [(re.compile(words), what, way) for words, what, way in _NAMES]
_BY_VALUE = [(re.compile(words), what, way) for words, what, way in _VALUES]
_LOOKED_AT = 200  # characters of a value; chosen: none of these is longer


def hints_of(requests: Iterable[LoggedRequest], rules: RedactionRules) -> list[RedactionHint]:
    """Return what columns may hold, those without a rule first; each says how it was found."""
    values: dict[str, list[str]] = {}
    for request in requests:
        for name, value in _columns(request).items():
            values.setdefault(name, []).append(_text(value))
    found = [hint for name, texts in values.items() if (hint := _hint_of(name, texts, rules)) is not None]
    return sorted(found, key=lambda one: (one.is_covered, one.column))


def _columns(request: LoggedRequest) -> Mapping[str, Any]:
    return {**request.inputs, **request.feedback}


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)[:_LOOKED_AT]


def _hint_of(name: str, texts: list[str], rules: RedactionRules) -> RedactionHint | None:
    covered = rules.concerns(name)
    small = _WORD_ENDS.sub("_", name.strip()).lower()
    for words, what, way in _BY_NAME:
        if words.fullmatch(small):
            return RedactionHint(name, what, "its name", way, covered)
    there = [text for text in texts if text]
    if len(there) < _LEAST_VALUES:
        return None
    for words, what, way in _BY_VALUE:
        n = sum(words.fullmatch(text.strip()) is not None for text in there)
        if n >= _LEAST_SHARE * len(there):
            return RedactionHint(name, what, f"{n:,} of {len(there):,} values", way, covered)
    n = sum(is_card(text.strip()) for text in there)
    if n >= _LEAST_SHARE * len(there):
        return RedactionHint(name, "numbers of cards", f"{n:,} of {len(there):,} values", RedactionWay.DROP, covered)
    return None


def is_card(text: str) -> bool:
    """Tell whether a text is a card's number by its length and its check digit (Luhn: ISO/IEC 7812-1, annex B)."""
    if not _CARD.fullmatch(text):
        return False
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [2 * one - 9 if one > 4 else 2 * one for one in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_REWRITE = "mlops_desk.kit.storage.request_log.rewrite_worker"
_KEEP = "keep"
"""The way that takes a rule back."""
_MOST_COLUMNS = 200  # chosen: more than any model has that is told of by name
_NAME = 200  # chosen: as the log has it: longer ones are values that stand where a name should
_VALUE = 100  # chosen: of a value, what fits into a cell
_MOST_ROWS = 1000  # chosen: of a preview
_HINT_ROWS = 200  # chosen: enough to see what a column holds
_LOOK_SECONDS = 50.0  # chosen: below the verb's deadline; a year of logs takes seconds
_REWRITE_SECONDS = 3500.0  # chosen: below the verb's deadline; two gigabytes take minutes


@dataclass(frozen=True, slots=True)
class RedactionHouse:
    """What is asked of endpoints. ``endpoint`` raises NotFound; ``apply`` has the gateway go by the rules.

    ``apply`` tells whether it does by now, None where none runs. ``key`` is that of an endpoint's hashes, in hex.
    ``monitors`` are the names of those that look at an endpoint's log. All may raise DeskErrors.
    """

    endpoint: Callable[[str], Endpoint]
    requests: Callable[[str, int], Sequence[LoggedRequest]]
    log: Callable[[str], Path]
    key: Callable[[str], str]
    apply: Callable[[], bool | None]
    monitors: Callable[[str], Sequence[str]]


class RedactionVerbs(ABC):
    """Stands on what the service has made."""

    _redaction: RedactionHouse
    _tables: DataTables
    _loop: Loop

    def redaction(self, endpoint: str) -> Redaction:
        """Show the rules of an endpoint's log. Raises NotFound."""
        return self._told(endpoint, self._kept(endpoint), is_in_force=None)

    def preview(self, endpoint: str, columns: Mapping[str, str] | None = None, rows: int = 5) -> RedactionPreview:
        """Show what rules would make of the newest rows. Raises NotFound, Invalid, TimedOut."""
        self._redaction.endpoint(endpoint)
        check_limit(rows, _MOST_ROWS)
        ways = changed(self._kept(endpoint), columns or {})
        rules = self._rules(endpoint, ways)
        requests = self._redaction.requests(endpoint, max(rows, _HINT_ROWS))
        newest = requests[:rows]
        values = [value for one in newest for value in _values(one, rules)]
        seen = {name.casefold() for one in newest for name in (*one.inputs, *one.outputs, *one.feedback)}
        untouched = tuple(name for name in ways if name.casefold() not in seen)
        hints = tuple(hints_of(requests, rules))
        return RedactionPreview(endpoint, len(newest), ways, tuple(values), hints, untouched)

    def redact(self, endpoint: str, columns: Mapping[str, str]) -> Redaction:
        """Set rules, and have the gateway go by them. Raises NotFound, Invalid."""
        self._redaction.endpoint(endpoint)
        if not columns:
            hint = Hint(f"mlops-desk data redact {endpoint} --column ssn=drop --column email=hash")
            raise Invalid("No column is named.", hint)
        ways = changed(self._kept(endpoint), columns)
        if RedactionWay.HASH in ways.values():
            self._redaction.key(endpoint)  # made now, or said why it can't be
        kept = KeptRedaction(endpoint, ways, time.time())
        self._tables.redactions.put(kept)
        return self._told(endpoint, kept, is_in_force=self._redaction.apply())

    def rewriting(self, endpoint: str) -> RewritePlan:
        """Show what was logged before the rules. Raises NotFound, TimedOut, Unavailable."""
        found = self._worked(endpoint, None, _LOOK_SECONDS)
        sketches = tuple(self._redaction.monitors(endpoint)) if found["files"] else ()
        return RewritePlan(
            endpoint, found["token"], found["files"], found["rows"], found["size_bytes"], found["values"], sketches
        )

    def rewrite(self, endpoint: str, token: str) -> RewriteDone:
        """Apply the rules to what was shown. Raises NotFound, Refused, TimedOut, Unavailable."""
        found = self._worked(endpoint, token, _REWRITE_SECONDS)
        return RewriteDone(endpoint, found["files"], found["rows"], tuple(found["left"]))

    def columns_of(self, endpoint: str) -> Mapping[str, RedactionWay]:
        """Return the rules of an endpoint's log, by column."""
        kept = self._kept(endpoint)
        return {} if kept is None else kept.columns

    def _kept(self, endpoint: str) -> KeptRedaction | None:
        return self._tables.redactions.get(endpoint)

    def _rules(self, endpoint: str, ways: Mapping[str, RedactionWay]) -> RedactionRules:
        key = self._redaction.key(endpoint) if RedactionWay.HASH in ways.values() else ""
        return rules_of(*_by_way(ways), key)

    def _told(self, endpoint: str, kept: KeptRedaction | None, *, is_in_force: bool | None) -> Redaction:
        try:
            owner = self._redaction.endpoint(endpoint).created_by
            monitors = tuple(self._redaction.monitors(endpoint))
        except NotFound:
            if kept is None:
                raise
            owner, monitors = None, ()  # rules outlive their endpoint: the next of its name has them
        if kept is None:
            return Redaction(endpoint, watched_by=monitors, created_by=owner)
        return Redaction(endpoint, kept.columns, kept.updated_at, is_in_force, monitors, owner)

    def _worked(self, endpoint: str, token: str | None, seconds: float) -> dict[str, Any]:
        kept = self._kept(endpoint)
        if kept is None or not kept.columns:
            hint = Hint(f"mlops-desk data redact {endpoint} --column NAME=drop", before="Make some first: ")
            raise Refused(f"The log of endpoint {plain(endpoint)} has no rules.", hint)
        dropped, masked, hashed = _by_way(kept.columns)
        key = self._redaction.key(endpoint) if hashed else ""
        told = {"dropped": dropped, "masked": masked, "hashed": hashed, "key": key, "token": token}
        request = {"folder": str(self._redaction.log(endpoint)), **told}
        found: dict[str, Any] = run_worker(_REWRITE, request, seconds, ending=self._loop.ending)
        return found


def changed(kept: KeptRedaction | None, columns: Mapping[str, str]) -> dict[str, RedactionWay]:
    """Return the rules after a change: what is named anew counts, ``keep`` takes a rule back. Raises Invalid. Pure."""
    ways = dict(kept.columns) if kept is not None else {}
    for name, word in columns.items():
        if not name or len(name) > _NAME or not name.isprintable():
            raise Invalid(f"{plain(name, 80)!r} can't be the name of a column.")
        known = next((one for one in ways if one.casefold() == name.casefold()), None)
        if known is not None:
            del ways[known]
        if word != _KEEP:
            ways[name] = _way(word)
    if len(ways) > _MOST_COLUMNS:
        raise Invalid(f"{len(ways)} columns have rules; {_MOST_COLUMNS} may.", "Log a smaller share, or nothing.")
    return ways


def _way(word: str) -> RedactionWay:
    try:
        return RedactionWay(word)
    except ValueError as error:
        words = f"Ways: {', '.join(RedactionWay)}; {_KEEP} takes a rule back."
        raise Invalid(f"{plain(word, 40)!r} is nothing that can be done with a column.", words) from error


def _by_way(ways: Mapping[str, RedactionWay]) -> tuple[list_of[str], list_of[str], list_of[str]]:
    dropped, masked, hashed = (
        sorted(name for name, one in ways.items() if one is way)
        for way in (RedactionWay.DROP, RedactionWay.MASK, RedactionWay.HASH)
    )
    return dropped, masked, hashed


def _values(request: LoggedRequest, rules: RedactionRules) -> list_of[RedactedValue]:
    """Return what rules would make of a row, of what they change."""
    told = []
    for name, value in {**request.outputs, **request.inputs, **request.feedback}.items():
        before = _cut(value)
        if rules.drops(name):
            told.append(RedactedValue(request.request_id, request.row, name, before, None))
            continue
        after = rules.value(name, value) if rules.rewrites(name) else rules.pruned(value)
        if after != value:
            told.append(RedactedValue(request.request_id, request.row, name, before, _cut(after)))
    return told


def _cut(value: Any) -> str:
    return plain(str(value), _VALUE)

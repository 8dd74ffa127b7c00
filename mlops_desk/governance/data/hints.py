"""Which columns may hold data of persons, by their names and by what their values look like. Only suggested. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mlops_desk.records.data.redaction import RedactionHint, RedactionWay
from mlops_desk.records.serving.request import LoggedRequest
from mlops_desk.storage.request_log.redaction import RedactionRules

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

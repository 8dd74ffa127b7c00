"""A change as the audit tells it: in a line, and in full; and what came of looking at the whole chain."""

import json
import re
from collections.abc import Iterator

from mlops_desk.base.text import plain
from mlops_desk.records.agent import AuditEntry, AuditState
from mlops_desk.records.audit import AuditVerification
from mlops_desk.records.audit_words import anchors_sentence, replaced_sentence
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.widgets.facts import Fact
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import Mark

_NAME = re.compile(r'\s*,?\s*"((?:[^"\\]|\\.)*)"\s*:\s*')
_OF_A_MOMENT = re.compile(r"(?:.*_)?(?:at|since|until|began|begun|ended)")
_LATEST = 4e9  # the year 2096: a larger number is no time in seconds, nor is one before 2001
_TEXT = 2000  # characters: a screen of what a thing was


def spoken(kept: str) -> str:
    """Return what the audit keeps as JSON as ``name churn · version 4``, without what was not given.

    The audit keeps the beginning of what is long: its last value is told as far as it goes. What is no object of JSON
    is told as it is kept.
    """
    found = list(_pairs(kept)) if kept.startswith("{") else []
    if not found and kept != "{}":
        return kept
    told = ((name, _moment(name, value) or _said(value)) for name, value in found)
    return " · ".join(f"{name} {value}" for name, value in told if value)


def _pairs(kept: str) -> Iterator[tuple[str, object]]:
    """Yield names and values of an object of JSON, up to where it was cut."""
    decoder, at = json.JSONDecoder(), 1
    while (name := _NAME.match(kept, at)) is not None:
        try:
            value, at = decoder.raw_decode(kept, name.end())
        except (ValueError, RecursionError):
            value, at = kept[name.end() :], len(kept)
        yield name[1], value


def _moment(name: str, value: object) -> str:
    """Return a Unix time as a clock shows it; nothing where it is none."""
    if _OF_A_MOMENT.fullmatch(name) is None or not isinstance(value, (int, float)) or not 1e9 < value < _LATEST:
        return ""
    return numbers.day_and_clock(value)


def _said(value: object) -> str:
    """Return a value in words; nothing where there is none. What lies deeper stays as it is written."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
        return ", ".join(filter(None, map(_said, value)))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def verified_words(found: AuditVerification) -> tuple[str, str]:
    """Say what came of looking at the chain, and in which tone."""
    records = numbers.count(found.records, "record")
    beside = " ".join(filter(None, (anchors_sentence(found), replaced_sentence(found))))
    if found.intact:
        return f"{numbers.OK} {records}: none was changed, moved or taken away. {beside}", "ok"
    where = f"record {found.first_bad:,}" if found.first_bad is not None else f"entry {plain(found.entry or '?', 80)}"
    return (
        f"{numbers.ALERT} {records}, and {where} does not hold: {plain(found.why or 'it was changed', 400)} {beside}",
        "alert",
    )


def entry_facts(one: AuditEntry) -> list[Fact]:
    """Return all that is told of a change."""
    mark = _mark(one)
    facts = [
        Fact("What", plain(one.verb, 100)),
        Fact("By", f"{plain(one.user, 80)} (uid {one.uid})"),
        Fact("At", numbers.day_and_clock(one.at), tip=numbers.absolute(one.at)),
        Fact("Ended", mark.text, mark.token),
    ]
    for name, text in (("Given", one.arguments), ("Before", one.before), ("After", one.outcome),
                       ("Error", one.error), ("Why", one.why)):  # fmt: skip
        if text:
            told, tone = plain(spoken(text), _TEXT), "alert" if name == "Error" else "text"
            facts.append(Fact(name, told, tone, tip="" if told == text else text))
    return facts


def _mark(one: AuditEntry) -> Mark:
    if one.state is not AuditState.ENDED:
        return Mark("unknown", numbers.UNKNOWN, plain(one.state.value.replace("_", " "), 40))
    return Mark("alert", numbers.ALERT, "failed") if one.error else Mark("ok", numbers.OK, "done")


def _state(one: AuditEntry) -> Cell:
    mark = _mark(one)
    return Cell(mark.text, mark.word, mark.token)


COLUMNS: tuple[Column[AuditEntry], ...] = (
    Column("when", "When", lambda one: Cell(numbers.day_and_clock(one.at), one.at, tip=numbers.absolute(one.at))),
    Column("who", "By", lambda one: Cell(plain(one.user))),
    Column("what", "What", lambda one: Cell(plain(one.verb))),
    Column("given", "Given", lambda one: Cell(plain(spoken(one.arguments), 200)), stretch=True),
    Column("state", "Ended", _state),
)

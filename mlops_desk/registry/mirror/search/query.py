"""What is typed into the search box of models: ``auc>0.9 alias:champion created:<30d flavor:sklearn churn``.

All of it has to be true of a version. ``NAME>NUMBER`` is about a metric of the run that registered it, or about a
parameter where there is no such metric; ``FIELD:TEXT`` about one field; any other word may stand anywhere. A ``-`` in
front says that it must not be true.
"""

import math
import re
import time
from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.base.errors import Invalid, Place
from mlops_desk.base.moments import parse_length, parse_moment
from mlops_desk.base.text import plain
from mlops_desk.registry.mirror.filter.numbers import number_of

_DAY_SECONDS = 86_400.0
_WORD = re.compile(
    r"""(?P<no>-)? (?: (?P<field>[a-zA-Z_]+):(?P<given>(?:[<>]=?|=)?(?:"[^"]*"|[^\s"]*))
      | (?P<name>"[^"]+"|[^\s"<>=!:]+) (?P<how><=|>=|!=|==|[<>=]) (?P<value>"[^"]*"|[^\s"]*)
      | (?P<text>"[^"]*"|[^\s"]+) | (?P<open>") )(?=\s|$)""",
    re.VERBOSE,
)
_HINT = "Write it as: auc>0.9 alias:champion created:<30d flavor:sklearn size:>1GB, and words of names, tags or params."
_LONGEST_CHARACTERS = 2000  # chosen: nobody types more into one line


class QueryField(StrEnum):
    """Fields that can be asked for; ANY is all texts of a version, VALUE a metric or parameter."""

    ANY = "any"
    VALUE = "value"
    NAME = "name"
    VERSION = "version"
    ALIAS = "alias"
    TAG = "tag"
    PARAM = "param"
    METRIC = "metric"
    FLAVOR = "flavor"
    FORMAT = "format"
    SIZE = "size"
    SIGNATURE = "signature"
    DATASET = "dataset"
    AUTHOR = "author"
    STATUS = "status"
    RUN = "run"
    CREATED = "created"


FIELDS = {field.value: field for field in QueryField if field not in {QueryField.ANY, QueryField.VALUE}} | {
    "model": QueryField.NAME,
    "flavour": QueryField.FLAVOR,
    "column": QueryField.SIGNATURE,
    "data": QueryField.DATASET,
    "user": QueryField.AUTHOR,
    "owner": QueryField.AUTHOR,
    "params": QueryField.PARAM,
    "tags": QueryField.TAG,
    "metrics": QueryField.METRIC,
}
OF_FILES = frozenset({
    QueryField.FLAVOR, QueryField.FORMAT, QueryField.SIZE, QueryField.SIGNATURE, QueryField.DATASET,
})  # fmt: skip
"""Fields of which only a look at a version's files, or at what its run was given, tells."""
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Term:
    """``value`` is lower case where it is a text.

    ``CREATED`` and ``SIZE`` lie between ``since`` and ``until``: Unix seconds, or bytes.
    """

    field: QueryField
    value: str | float = ""
    key: str = ""
    comparator: str = "="
    is_not: bool = False
    since: float = float("-inf")
    until: float = float("inf")


def parse_query(text: str, now: float | None = None) -> tuple[Term, ...]:
    """Read what was typed. Raises Invalid, with the place."""
    if len(text) > _LONGEST_CHARACTERS:
        raise _refused(f"it is longer than {_LONGEST_CHARACTERS} characters", _LONGEST_CHARACTERS)
    terms = []
    at, seen_at = 0, time.time() if now is None else now
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _WORD.match(text, at)
        if found is None or found["open"]:
            raise _refused("this quote is never closed" if '"' in text[at:] else "this is not understood", at + 1)
        if found["text"] != "and":
            terms.append(_term(found, seen_at))
        at = found.end()
    return tuple(terms)


def _term(found: re.Match[str], now: float) -> Term:
    is_not, place = found["no"] is not None, found.start() + 1
    if found["name"] is not None:
        return _compared(found, place, is_not=is_not)
    field = FIELDS.get((found["field"] or "").lower())
    if field is None:
        return Term(QueryField.ANY, _bare(found["text"] if found["field"] is None else found[0]).lower(), is_not=is_not)
    given = found["given"]
    if not given:
        raise _refused(f"what {found['field']} is to be is missing", found.end() + 1)
    if field is QueryField.CREATED:
        return _created(given, now, place, is_not=is_not)
    if field is QueryField.SIZE:
        return _sized(given, place, is_not=is_not)
    key, equals, value = _bare(given).partition("=")
    if field in {QueryField.TAG, QueryField.PARAM, QueryField.METRIC} and equals:
        return Term(field, value.lower(), key, is_not=is_not)
    return Term(field, _bare(given).lower(), is_not=is_not)


def _compared(found: re.Match[str], place: int, *, is_not: bool) -> Term:
    name, value = _bare(found["name"]), _bare(found["value"])
    how = "=" if found["how"] == "==" else found["how"]
    if not value:
        raise _refused(f"what {plain(name)} is compared with is missing", found.end() + 1)
    number = number_of(value)
    if number is None and how not in {"=", "!="}:
        raise _refused(f"{how} compares numbers, and {plain(value)!r} is none", place)
    return Term(QueryField.VALUE, value.lower() if number is None else number, name, how, is_not)


def _created(given: str, now: float, place: int, *, is_not: bool) -> Term:
    how = re.match(r"[<>]=?|=?", given)[0]  # type: ignore[index]  # it matches the empty text too
    text = _bare(given[len(how) :])
    try:
        age = parse_length(text) if not re.fullmatch(r"\d+", text) else None
    except Invalid:
        age = None
    if age is not None:  # so old: "<30d" is younger than thirty days
        since, until = (float("-inf"), now - age) if how[:1] == ">" else (now - age, float("inf"))
        return Term(QueryField.CREATED, is_not=is_not, since=since, until=until)
    try:
        at = parse_moment(text, now)
    except Invalid as error:
        raise _refused(f"{plain(text)!r} is no time", place, "Write created:<30d, or created:>2026-11-01.") from error
    if how[:1] == ">":
        return Term(QueryField.CREATED, is_not=is_not, since=at)
    if how[:1] == "<":
        return Term(QueryField.CREATED, is_not=is_not, until=at)
    return Term(QueryField.CREATED, is_not=is_not, since=at, until=at + _DAY_SECONDS)


def _sized(given: str, place: int, *, is_not: bool) -> Term:
    how = re.match(r"[<>]=?|=?", given)[0]  # type: ignore[index]  # it matches the empty text too
    text = _bare(given[len(how) :])
    found = _SIZE.fullmatch(text)
    if found is None:
        raise _refused(f"{plain(text)!r} is no size", place, "Write size:>100MB, or size:<=2GiB.")
    size = float(found[1]) * (1024.0 if found[3] else 1000.0) ** _POWERS[found[2].lower()]
    above = math.floor(size) + 1.0  # sizes are whole bytes
    since = {">": above, ">=": size, "<": 0.0, "<=": 0.0}.get(how, size)
    until = {"<": size, "<=": above, ">": math.inf, ">=": math.inf}.get(how, above)
    return Term(QueryField.SIZE, is_not=is_not, since=since, until=until)


def _bare(text: str) -> str:
    return text.replace('"', "")


def _refused(what: str, place: int, hint: str = _HINT) -> Invalid:
    return Invalid(f"Character {place} of the search: {what}.", hint, place=Place(1, place))

"""How a link is made and how a chain is looked at, from whatever it is read. Pure."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from math import inf
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AuditState
from mlops_desk.kit.records.audit import AuditLink, AuditVerification

PLACE_DIGITS = 12  # of the numbers in keys: a million writings a second for a week
PLACES = "[0-9]" * PLACE_DIGITS
"""What finds the keys of links, as SQLite's GLOB."""
START = "0" * 64
"""What the first link stands on."""


def digest_of(before: str, number: int, entry: str, text: str) -> str:
    """Return a link's digest in hex: SHA-256 of the digest before it, its number, entry and text, a line each."""
    return hashlib.sha256(f"{before}\n{number}\n{entry}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def following(number: int, digest: str, entry: str, text: str) -> AuditLink:
    """Return the link that stands on the one of that number and digest (0 and ``START``: on none)."""
    return AuditLink(number + 1, entry, text, digest_of(digest, number + 1, entry, text))


def place_of(number: int) -> str:
    """Return the key under which a link is stored: keys are in the order of the numbers."""
    return f"{number:0{PLACE_DIGITS}d}"


def link_columns(link: AuditLink) -> tuple[str, str, str, float]:
    """Return key, state, parent and order under which a link is stored."""
    return (place_of(link.number), "", link.entry, float(link.number))


def is_in_place(link: AuditLink, key: object, parent: object, state: object, at: object) -> bool:
    """Tell whether a link is stored under its own ``link_columns``, which are not made anew for each of a million."""
    return key == place_of(link.number) and parent == link.entry and state == "" and at == link.number


def is_filed(document: str, state: object, verb: object, at: object) -> bool:
    """Tell whether an entry is stored under its own state, verb and time, by which lists and searches find it.

    One that ended is known by its text as an agent writes it, in which a quote within a value never stands alone: to
    read each of a million took half as long again as all the rest.
    """
    is_as_written = document.startswith(f'{{"at": {at!r}, ') and _of_verb(verb) in document
    if state == "" and is_as_written and '"state": "ended", ' in document:
        return True
    try:
        told = json.loads(document)
        ended = told.get("state", AuditState.ENDED) == AuditState.ENDED
        return bool(("" if ended else told["state"], told["verb"], told["at"]) == (state, verb, at))
    except (ValueError, RecursionError, KeyError, AttributeError):
        return False


@lru_cache(maxsize=1000)
def _of_verb(verb: object) -> str:
    return f'"verb": {json.dumps(verb)}, '


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head as it was kept outside the database: the digest of the link of that number, where and when.

    ``replaced`` names what took the database's place at that moment (a backup): what was anchored before it of later
    records is of what was replaced.
    """

    number: int
    digest: str
    at: float
    place: str
    replaced: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands in the place of a link and is none."""

    place: str


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """What the last line of an exported chain tells; ``is_last``: and nothing stands behind it."""

    head: object
    records: object
    is_last: bool


class Verifier:
    """Takes links in the order in which they stand, and remembers the first thing that is wrong.

    ``head`` is a digest that somebody has kept, ``written`` that of the last link which the agent knows it has written:
    either has to be met. ``anchors`` are heads of known numbers that lie outside the database.
    """

    def __init__(self, head: str | None = None, written: str | None = None, anchors: Sequence[Anchor] = ()) -> None:
        self._wanted, self._written = head, written
        self._met = {START}
        self._records = 0
        self._number, self._digest = 0, START
        self._skipped = 0
        self._lost = 0.0
        self._is_ended = False
        self._vouched: list[int] = []
        self._anchors: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.number, []).append(anchor)
        self._fault: tuple[int | None, str | None, str] | None = None

    def take_all(self, links: Iterable[AuditLink | Unreadable | ChainEnd]) -> None:
        for link in links:
            if isinstance(link, ChainEnd):
                self._hold_end(link)
                continue
            self._records += 1
            if isinstance(link, Unreadable):
                self._skipped += 1
                self._lose(self._number + self._skipped)
                self.blame(self._number + 1, None, f"What stands at {plain(link.place, 40)} is no record of the audit.")
                continue
            self._look_at(link)
            self._hold_anchors(link)
            self._number, self._digest, self._skipped = link.number, link.digest, 0
            if link.digest in {self._wanted, self._written}:
                self._met.add(link.digest)

    def blame(self, number: int | None, entry: str | None, why: str) -> None:
        """Note something that is wrong; of several that with the least number is told, one without any last."""
        if self._fault is None or _order(number) < _order(self._fault[0]):
            self._fault = (number, entry, why)

    def has_lost(self, number: int) -> bool:
        """Tell whether a link behind the one of that number is missing, or can't be believed."""
        return self._lost > number

    def end(self) -> None:
        """Hear that no more links come."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._written is not None and self._written not in self._met:
            self._lose(inf)
            self.blame(None, None, "What this agent has written last is not in it: records were cut from its end.")
        if (cut := max(self._anchors, default=0)) > self._number:
            self._lose(cut)
            after = self._number + 1
            missing = f"Record {cut} is" if cut == after else f"Records {after} to {cut} are"
            known = f"the head of record {cut} is in {_place_and_day(self._anchors[cut][0])}"
            self.blame(
                after, None, f"{missing} missing from its end: {known}. They were cut, or this is an older copy."
            )

    def told(self) -> AuditVerification:
        self.end()
        number, entry, why = (None, None, None) if self._fault is None else self._fault
        holds = None if self._wanted is None else self._wanted in self._met
        intact = self._fault is None and holds is not False
        if holds is False and why is None:
            why = "The head that was given is not part of the chain: records were cut from it, or it is another chain."
        vouched = max((place for place in self._vouched if place < _order(number)), default=0)
        return AuditVerification(self._records, intact, number, entry, why, self._digest, holds, vouched=vouched)

    def _lose(self, number: float) -> None:
        self._lost = max(self._lost, number)

    def _hold_anchors(self, link: AuditLink) -> None:
        """Hold a link against the heads of its number that lie elsewhere."""
        anchors = self._anchors.get(link.number, [])
        wrong = next((anchor for anchor in anchors if anchor.digest != link.digest), None)
        if wrong is not None:
            known = f"in {_place_and_day(wrong)}, it has another head"
            why = f"Record {link.number} is not the one that was written, or one before it is not: {known}."
            self.blame(link.number, link.entry, why)
        elif anchors:
            self._vouched.append(link.number)

    def _hold_end(self, end: ChainEnd) -> None:
        head = self._digest if self._records else None
        if (end.head, end.records) != (head, self._records):
            why = "Its last line tells of another end: records were cut from it, or put there."
            self.blame(None, None, why)
        elif not end.is_last:
            self.blame(None, None, "Something stands behind its last line.")

    def _look_at(self, link: AuditLink) -> None:
        expected = self._number + 1
        if link.number != expected:
            missing = f"Record {expected} is missing: record {link.number} follows on {self._number}."
            again = f"Record {link.number} stands behind record {self._number}."
            self._lose(max(expected, link.number - 1))
            self.blame(min(expected, link.number), link.entry, missing if link.number > expected else again)
        elif link.digest != digest_of(self._digest, link.number, link.entry, link.text):
            self._lose(link.number)
            self.blame(link.number, link.entry, f"Record {link.number} was changed after it was written.")


def _place_and_day(anchor: Anchor) -> str:
    return f"{plain(anchor.place, 200)}, of {datetime.fromtimestamp(anchor.at, UTC):%Y-%m-%d %H:%M} UTC"


_LATER = ("state", "outcome", "error", "ended_at", "why")
"""What an entry tells of its end, which a later link may have told."""


def may_follow(entry: str, text: str) -> bool:
    """Tell whether an entry may have been written so after a link of that text, by a link that is lost."""
    try:
        stands, told = _READER.decode(entry), _READER.decode(text)
        ended = told.get("state", AuditState.ENDED) == AuditState.ENDED
        goes_on = not ended and stands.get("state", AuditState.ENDED) != AuditState.BEGAN
        same = {name: value for name, value in told.items() if name not in _LATER}
        return bool(goes_on and same == {name: value for name, value in stands.items() if name not in _LATER})
    except (ValueError, RecursionError, AttributeError):
        return False


def _order(number: int | None) -> float:
    return float("inf") if number is None else number


def link_of(document: str) -> AuditLink | None:
    """Return the link that a JSON document tells; None: it is none.

    A million are read within seconds, since one that stands as an agent writes it needs no look at each of its names.
    """
    link = wire.glance(document, AuditLink)
    return link if link is not None and _as_written(link) == document else _read_link(document)


def _as_written(link: AuditLink) -> str:
    entry, text, digest = (encode_basestring_ascii(one) for one in (link.entry, link.text, link.digest))
    return f'{{"number": {link.number}, "entry": {entry}, "text": {text}, "digest": {digest}}}'


def _read_link(document: str) -> AuditLink | None:
    try:
        told = _READER.decode(document)
        link = AuditLink(told["number"], told["entry"], told["text"], told["digest"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    is_whole = type(link.number) is int and all(type(one) is str for one in (link.entry, link.text, link.digest))
    return link if is_whole else None


def says_the_same(text: str, other: str) -> bool:
    """Tell whether two JSON texts say the same, however they are written: 1, 1.0 and true are three things."""
    if text == other:
        return True
    try:
        first, second = _READER.decode(text), _READER.decode(other)
        return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    except (ValueError, RecursionError):
        return False


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises ValueError where a name stands twice: of the two Python reads the last one.

    SQLite finds the first, so an entry could be shown as one person's and be found as another's.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


_READER = json.JSONDecoder(object_pairs_hook=_each_once)
"""Made once: ``json.loads`` makes one for each text."""

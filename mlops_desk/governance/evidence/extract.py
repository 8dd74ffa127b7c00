"""Records of the audit in a pack: each with the digest before it, so that it is checked without the others. Pure.

The digests are those of the chain: whoever has the audit, or a head of it that was kept, finds that these records are
part of it. A line is one record; the last line tells the head at that moment.
"""

import json
from collections.abc import Iterable, Sequence

from mlops_desk.kit.base import wire
from mlops_desk.kit.records.audit import AuditLink
from mlops_desk.kit.storage.audit.chain import digest_of, link_of

FORM = "mlops-desk-audit-extract/1"


def written(links: Sequence[tuple[AuditLink, str]], head: str | None, number: int | None = None) -> bytes:
    """Return the lines of links, each with the digest that it stands on; ``number`` is that of the head's record."""
    lines = [{"form": FORM}, *({**wire.to_builtins(link), "before": before} for link, before in links)]
    lines.append({"records": len(links), "head": head, "number": number})
    return "".join(f"{json.dumps(line, ensure_ascii=True)}\n" for line in lines).encode()


def trouble(data: bytes) -> tuple[int, str | None]:
    """Return how many records an extract has, and what is wrong with the first that does not hold; None: all hold."""
    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) < 2 or _told(lines[0]).get("form") != FORM:
        return 0, "It is no extract of an audit."
    number = 0
    for line in lines[1:-1]:
        link, before = link_of(line), _told(line).get("before")
        if link is None or not isinstance(before, str):
            return number, f"Line {number + 2} is no record of an audit."
        if digest_of(before, link.number, link.entry, link.text) != link.digest:
            return number, f"Record {link.number} was changed after it was written."
        number += 1
    if _told(lines[-1]).get("records") != number:
        return number, "Records are missing, or its last line is."
    return number, None


def _told(line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def heads(data: bytes) -> list[tuple[int, str]]:
    """Return number and digest of the last record of an extract, and of the head that it tells."""
    lines = data.decode("utf-8", "replace").splitlines()
    links = [link for line in lines[1:-1] if (link := link_of(line)) is not None]
    last = [(link.number, link.digest) for link in sorted(links, key=lambda one: one.number)[-1:]]
    told = _told(lines[-1]) if lines else {}
    number, head = told.get("number"), told.get("head")
    return [*last, (number, head)] if type(number) is int and isinstance(head, str) else last


def of_entries(links: Iterable[AuditLink], digests: Iterable[str | None]) -> list[tuple[AuditLink, str]]:
    """Return links with what they stand on, in the order of their numbers; one whose forerunner is lost is left out."""
    both = [(link, before) for link, before in zip(links, digests, strict=True) if before is not None]
    return sorted(both, key=lambda one: one[0].number)

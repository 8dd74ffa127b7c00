"""What came of looking at the audit, in sentences: the window and the command line say the same."""

from datetime import UTC, datetime

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.audit import AuditAnchors, AuditReplacement, AuditVerification

_NONE = (
    "No head of it was found outside the database: a chain that was made anew as a whole, or cut at its end before this"
    " agent began, could not be told."
)


def anchors_sentence(found: AuditVerification) -> str:
    """Say which heads outside the database the chain was held against, and how far they vouch for it."""
    read = [anchors for anchors in found.anchors if anchors.heads]
    parts = [f"It was held against {'; '.join(map(_place, read))}." if read else _NONE]
    if found.vouched:
        parts.append(f"Records up to {found.vouched:,} are those that were anchored.")
    parts += [f"Of {plain(one.place, 200)}: {plain(one.trouble, 200)}" for one in found.anchors if one.trouble]
    return " ".join(parts)


def replaced_sentence(found: AuditVerification) -> str:
    """Say when the database was replaced, and what of the audit went with it; nothing where it never was."""
    return " ".join(map(_replaced, found.replaced))


def _place(anchors: AuditAnchors) -> str:
    heads = "1 head" if anchors.heads == 1 else f"{anchors.heads:,} heads"
    at = "" if anchors.at is None else f" of {_moment(anchors.at)}"
    return f"{heads} in {plain(anchors.place, 200)}, the newest that of record {anchors.newest:,}{at}"


def _replaced(one: AuditReplacement) -> str:
    gone = "" if one.gone is None else f" Records {one.record + 1:,} to {one.gone:,} of before are not in it."
    return f"On {_moment(one.at)} {plain(one.by, 200)} took the database's place, up to record {one.record:,}.{gone}"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"

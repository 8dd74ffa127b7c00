"""Evidence packs as text."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import facts, size, table
from mlops_desk.registry.records.evidence import EvidencePack, EvidencePart, EvidenceVerification, PartState

_TOLD = {PartState.NOTHING: "there is none", PartState.UNKNOWN: "not known"}


def pack(made: EvidencePack, file: Path) -> str:
    """Return what a pack has in it, and what it lacks with the reason."""
    told = {
        "file": f"{file} ({size(len(made.data))})",
        "version": f"{made.model}/{made.version}",
        "signed by": made.signer,
    }
    return f"{facts(told)}\n\n{_parts(made.parts)}"


def verification(found: EvidenceVerification) -> str:
    """Return whether a pack holds; what it says of itself is told as that."""
    said = "–" if found.made_at is None else datetime.fromtimestamp(found.made_at, UTC).isoformat(timespec="seconds")
    told = {
        "intact": "yes" if found.intact else "NO",
        "first bad": _bad(found),
        "signed by": found.signer or "–",
        "version": plain(f"{found.model}/{found.version}", 200),
        "made": said,
        "files": f"{found.files:,}, with {found.records:,} records of the audit",
    }
    return f"{facts(told)}\n\n{_parts(found.parts)}"


def _bad(found: EvidenceVerification) -> str:
    """Return what is wrong, and with which file where it is with one."""
    return ": ".join(plain(one, 300) for one in (found.first_bad, found.why) if one) or "–"


def _parts(parts: Sequence[EvidencePart]) -> str:
    rows = [
        [plain(part.name, 40), plain(part.file or _TOLD[part.state], 100), plain(part.why or "", 300)] for part in parts
    ]
    return table(["PART", "FILE", "WHY"], rows)

"""Whether a pack is as it was made: every sum, the signature over them, and every record of the audit in it."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops_desk.governance.evidence import extract
from mlops_desk.governance.evidence.archive import beyond_bytes, unpacked
from mlops_desk.governance.evidence.pack_builder import MANIFEST, NAMESPACE
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk import signatures
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.records.evidence import EVIDENCE_FORM, EvidencePart, EvidenceVerification

AUDIT = "audit.ndjson"
Hear = Callable[[int, int, str], None]
_SUM = re.compile(r"([0-9a-f]{64})  \./([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
_SIGNED_BY = {signatures.SUMS, signatures.SIGNATURE}
"""Files that no sum names: the sums, and what was made of them."""


def verify(data: bytes, wanted: str | None = None, hear: Hear | None = None) -> EvidenceVerification:
    """Look at a pack; ``wanted`` is the fingerprint of the key that must have signed it.

    ``hear`` is told before each file how many of how many were looked at, and its name.

    Raises Invalid where it is none at all, TimedOut, Unavailable and OSError.
    """
    files = unpacked(data)
    told = _told(files)
    if fault := _sums_trouble(files, hear or _unheard):
        return replace(told, first_bad=fault[0], why=fault[1])
    signer = signatures.signer_of(
        files[signatures.SUMS], files.get(signatures.SIGNERS, b""), files.get(signatures.SIGNATURE, b""), NAMESPACE
    )
    if signer is None:
        return replace(told, first_bad=signatures.SIGNATURE, why="The signature is not of the key that the pack names.")
    if wanted is not None and signer != wanted:
        why = f"It is signed by {signer}, not by the key that was asked for."
        return replace(told, signer=signer, first_bad=signatures.SIGNATURE, why=why)
    records, trouble = extract.trouble(files[AUDIT]) if AUDIT in files else (0, None)
    if trouble is not None:
        return replace(told, signer=signer, records=records, first_bad=AUDIT, why=trouble)
    if whole := _parts_trouble(told, files) or _beyond_trouble(data):
        return replace(told, signer=signer, records=records, first_bad=whole[0], why=whole[1])
    heads = tuple(extract.heads(files[AUDIT])) if AUDIT in files else ()
    return replace(told, intact=True, signer=signer, records=records, heads=heads)


def _unheard(_number: int, _of: int, _file: str) -> None:
    """Nobody wants to know how far it is."""


def _told(files: Mapping[str, bytes]) -> EvidenceVerification:
    """Return what a pack says of itself, of which nothing is verified yet. Raises Invalid."""
    try:
        manifest = json.loads(files.get(MANIFEST, b"").decode("utf-8"))
        if manifest["form"] != EVIDENCE_FORM:
            raise Invalid(f"This is no evidence pack of a form that is known: {str(manifest['form'])[:40]!r}.")
        return EvidenceVerification(
            intact=False,
            files=len(files),
            model=str(manifest["model"]),
            version=str(manifest["version"]),
            made_at=float(manifest["made_at"]),
            parts=tuple(wire.from_builtins(part, EvidencePart) for part in manifest["parts"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Invalid("This is no evidence pack: it has no manifest that says so.") from error


def _sums_trouble(files: Mapping[str, bytes], hear: Hear) -> tuple[str, str] | None:
    """Return the first file that is not as its sum says, or has none, and a sentence."""
    sums = {}
    for line in files.get(signatures.SUMS, b"").decode("ascii", "replace").splitlines():
        found = _SUM.fullmatch(line)
        if found is None or found[2] in sums:
            return signatures.SUMS, "The list of sums is not of the form that was signed."
        sums[found[2]] = found[1]
    names = sorted(sums.keys() | files.keys() - _SIGNED_BY)
    for number, name in enumerate(names):
        hear(number, len(names), name)
        if name not in files:
            return name, f"{name} was taken away."
        if name not in sums:
            return name, f"{name} was put in after the pack was made."
        if hashlib.sha256(files[name]).hexdigest() != sums[name]:
            return name, f"{name} was changed after the pack was made."
    return None


def _parts_trouble(told: EvidenceVerification, files: Mapping[str, bytes]) -> tuple[str, str] | None:
    for part in told.parts:
        if part.file is not None and part.file not in files:
            return part.file, f"The manifest names {part.file}, which the pack never had."
    return None


def _beyond_trouble(data: bytes) -> tuple[None, str] | None:
    """Say that a pack holds bytes which nobody has signed, though each of its files is as it was. Raises Invalid."""
    beyond = beyond_bytes(data)
    if not beyond:
        return None
    many = "1 byte that is" if beyond == 1 else f"{beyond:,} bytes that are"
    return None, f"The file holds more than what was signed: {many} no part of the pack's files."

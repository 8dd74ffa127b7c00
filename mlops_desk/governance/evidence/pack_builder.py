"""A pack as it is made: each part asked for by itself, so that one that can't be told takes none of the others away."""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

from mlops_desk.governance.evidence.archive import packed
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk import signatures
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.evidence import EVIDENCE_FORM, EvidencePack, EvidencePart, PartState
from mlops_desk.registry.records.model import ModelVersion, parted

NAMESPACE = "mlops-desk-evidence"
"""What packs are signed as: a signature of an exported endpoint is none of a pack."""
MANIFEST, README = "manifest.json", "README.txt"
_WORDS = 300  # chosen: why a part is missing, in a sentence or two
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PartSource:
    """How one part is asked for. ``ask`` gives what becomes JSON, or bytes as they are; None or empty: nothing."""

    name: str
    file: str
    ask: Callable[[ModelVersion], object]


Tell = Callable[[str, int, int], None]
"""Is told what is done now, and how many of how many parts are; raises a DeskError where it is to stop."""
Begun = Callable[[str | None], AbstractContextManager[Tell]]
"""Begins what takes a while, by the ticket of who asked for it."""


class EvidenceMaker:
    """Implements ``verbs.EvidencePacks``.

    ``find`` finds a version by its model and number (or ``@ALIAS``); it raises NotFound. ``keys`` is the folder of the
    desk's own key. ``desk`` names the program and its version.
    """

    def __init__(
        self,
        find: Callable[[str, str], ModelVersion],
        sources: Sequence[PartSource],
        keys: Path,
        desk: str,
        now: Callable[[], float],
        begun: Begun,
    ) -> None:
        self._find = find
        self._sources = sources
        self._keys = keys
        self._desk = desk
        self._now = now
        self._begun = begun

    def build(self, version: str, ticket: str | None = None) -> EvidencePack:
        with self._begun(ticket) as tell:
            return self._built(version, tell)

    def _built(self, version: str, tell: Tell) -> EvidencePack:
        name, number = parted(version)
        if number is None:
            hint = Hint(f"mlops-desk evidence build {quote(plain(name, 80))}/1 OUT.zip", before="Name the version: ")
            raise Invalid(f"{plain(version, 80)!r} names no version of a model.", hint)
        found = self._find(name, number)
        asked = []
        for done, source in enumerate(self._sources):
            tell(f"Collecting: {source.name}.", done, len(self._sources))
            asked.append(self._asked(source, found))
        tell("Signing and packing.", len(self._sources), len(self._sources))
        parts = tuple(part for part, _data in asked)
        files = {part.file: data for part, data in asked if part.file is not None}
        made_at = self._now()
        manifest = {
            "form": EVIDENCE_FORM, "model": found.name, "version": found.version, "made_at": made_at,
            "made_by": self._desk, "parts": wire.to_builtins(parts),
        }  # fmt: skip
        files[MANIFEST] = _json(manifest)
        files[README] = _readme(found, made_at, parts).encode()
        try:
            files, signer = self._signed(files)
        except OSError as error:
            raise Unavailable(f"The pack can't be signed: {error.strerror or error}.") from error
        wished = f"{found.name}-{found.version}-evidence.zip"
        return EvidencePack(wished, found.name, found.version, packed(files), signer, parts)

    def _asked(self, source: PartSource, version: ModelVersion) -> tuple[EvidencePart, bytes]:
        try:
            told = source.ask(version)
        except DeskError as error:
            _log.warning(
                "The evidence of %s/%s lacks %s: %s", version.name, version.version, source.name, error.message
            )
            return EvidencePart(source.name, PartState.UNKNOWN, None, plain(error.message, _WORDS)), b""
        if told is None or told in ((), [], {}, b""):
            return EvidencePart(source.name, PartState.NOTHING), b""
        data = told if isinstance(told, bytes) else _json(wire.to_builtins(told))
        return EvidencePart(source.name, PartState.THERE, source.file), data

    def _signed(self, files: dict[str, bytes]) -> tuple[dict[str, bytes], str]:
        """Return the files with sums, signer and signature. Raises Refused, TimedOut, Unavailable, OSError."""
        with scratch("evidence") as name:
            folder = Path(name)
            for file, data in files.items():
                (folder / file).write_bytes(data)
            signer = signatures.sign(folder, signatures.own_key(self._keys), NAMESPACE)
            return {path.name: path.read_bytes() for path in folder.iterdir()}, signer


def _json(told: Any) -> bytes:
    return (json.dumps(told, indent=1, ensure_ascii=True, sort_keys=False) + "\n").encode()


_TOLD = {PartState.NOTHING: "there is none", PartState.UNKNOWN: "not known"}


def _readme(version: ModelVersion, made_at: float, parts: Iterable[EvidencePart]) -> str:
    when = datetime.fromtimestamp(made_at, UTC).isoformat(timespec="seconds")
    checked = f"ssh-keygen -Y verify -f allowed_signers -I mlops-desk -n {NAMESPACE} -s SHA256SUMS.sig < SHA256SUMS"
    lines = [
        f"Evidence of version {plain(version.version, 40)} of the model {plain(version.name, 200)}, made {when}.",
        "",
        "Look whether it is whole:  mlops-desk evidence verify FILE",
        "Without MLOps Desk:        sha256sum -c SHA256SUMS, and",
        f"                           {checked}",
        "",
    ]
    for part in parts:
        told = part.file or _TOLD[part.state]
        lines.append(f"{part.name:<14} {told}" + (f" ({part.why})" if part.why else ""))
    return "\n".join(lines) + "\n"

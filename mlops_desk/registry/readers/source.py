"""Where a reader reads: an address that was understood, and who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops_desk.registry.records.tracker import TrackerKind


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """``uri`` may hold a password: it is never shown, ``shown`` is. ``path`` is the file or folder of a local one.

    ``headers`` are sent to an HTTP server alone (its login), ``address`` being what ``uri`` is reached at; ``ca_file``
    is trusted beside the system's certificates.
    """

    kind: TrackerKind
    uri: str
    shown: str
    path: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None
    proxy: str | None = None

"""The form of an exported version: one zip with a list of everything in it, which is read first.

``mlops-desk-version.json`` says what the version was, and of each file its size and hash; ``files/…`` are the files.
Nothing is compressed: weights hardly get smaller, and whoever unpacks them knows before how large they are. Raise
``FORM`` when an older program could no longer read what is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.registry.records.transfer import HashedFile

FORM = 1  # the first form that there is
MEMBER = "mlops-desk-version.json"
FILES = "files/"
NAME = "mlops-desk.version"


@dataclass(frozen=True, slots=True)
class ArchivedDataset:
    """A dataset that the run was given."""

    name: str
    digest: str
    context: str | None = None
    source_type: str = "local"
    source: str = "{}"
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class ArchivedRun:
    """The run that a version was made of. Metrics are the last values; times are Unix milliseconds."""

    run_id: str
    name: str | None
    status: str
    start_time: int | None = None
    end_time: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[ArchivedDataset, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchivedVersion:
    """What an archive says of itself. ``exported_at`` and ``created_at`` are Unix seconds."""

    name: str
    version: str
    registry: str
    exported_at: float
    files: tuple[HashedFile, ...]
    form: int = FORM
    kind: str = NAME
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    created_at: float | None = None
    model_description: str | None = None
    model_tags: Mapping[str, str] = field(default_factory=dict)
    run: ArchivedRun | None = None

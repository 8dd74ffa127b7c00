"""What a job takes over from another one, whether that ran here or on another machine."""

from dataclasses import dataclass

from mlops_desk.jobs.records.job import KeptFolder
from mlops_desk.jobs.records.provenance import Capsule, ImportedFrom, Repeat


@dataclass(frozen=True, slots=True)
class Basis:
    """``image_id`` is the image it is pinned to, ``first`` the capsule whose code it takes.

    ``inputs`` are folders that other jobs have kept, at the targets where it reads them. ``chain`` is ``Job.chain``.
    """

    image_id: str | None = None
    first: Capsule | None = None
    repeat: Repeat | None = None
    imported: ImportedFrom | None = None
    inputs: tuple[KeptFolder, ...] = ()
    chain: int = 0

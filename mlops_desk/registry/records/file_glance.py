"""What a glance at the files of a version tells a search: no more than its terms are about."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileGlance:
    """Of version ``version`` of ``name``, whose files are at ``source``. None: the files don't say, or can't be read.

    ``signature`` are the names of its columns; ``dataset`` is name and digest of what it was trained on, as its run
    says.
    """

    name: str
    version: str
    source: str | None = None
    flavors: tuple[str, ...] | None = None
    format: str | None = None
    size_bytes: int | None = None
    signature: tuple[str, ...] = ()
    dataset: str | None = None

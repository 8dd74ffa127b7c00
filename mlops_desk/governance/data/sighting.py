"""What the house knows of data by itself: each place where it was seen, by whom, and what it was then."""

from dataclasses import dataclass

from mlops_desk.records.data.catalogue import DataColumn, DataPlace, DataUser


@dataclass(frozen=True, slots=True)
class DataSighting:
    """Data that were seen once. ``name`` is what the set is called where nobody has registered it.

    ``sha256`` is of the manifest as the catalogue makes it, ``digest`` what MLflow calls it by, ``at`` Unix seconds.
    ``users`` stand on what was seen; ``owned_by`` is the uid whose they are, where somebody's.
    """

    name: str
    place: DataPlace
    users: tuple[DataUser, ...] = ()
    sha256: str | None = None
    digest: str | None = None
    at: float | None = None
    size_bytes: int | None = None
    files: int | None = None
    columns: tuple[DataColumn, ...] = ()
    seen_by: str | None = None
    owned_by: int | None = None


@dataclass(frozen=True, slots=True)
class KnownData:
    """All that was seen; ``missing`` says in sentences what could not be asked, so that it is not taken for nothing."""

    sightings: tuple[DataSighting, ...] = ()
    missing: tuple[str, ...] = ()

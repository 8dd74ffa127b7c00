"""A file that a run or version has left, as it can be looked at without opening it with anything that runs it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ArtifactTable:
    """The first rows of a table, all as text (cut); ``n_rows`` in all, None where that would cost a whole read."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    n_rows: int | None = None


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """``kind``: text, code, json, markdown, image, table, notebook, html, pickle, archive or binary; ``text`` is plain.

    ``image`` is a PNG of at most 2,048 pixels on a side. ``is_cut``: the file goes on. ``sha256`` is of the whole file,
    None where it was not read to its end. ``listing`` is what an archive holds or what a pickle would import.
    """

    path: str
    kind: str
    size_bytes: int | None = None
    text: str | None = None
    language: str | None = None
    image: bytes | None = None
    table: ArtifactTable | None = None
    listing: tuple[str, ...] = field(default_factory=tuple)
    is_cut: bool = False
    sha256: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Files that were fetched: ``path`` is the file or folder that they went to."""

    path: str
    n_files: int
    size_bytes: int

"""A file as it can be looked at: its kind is found out, and the module of that kind makes what is shown.

What a file is not able to be (a table that is none, an archive that is cut off) is told beside what could be seen.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import IO

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.registry.artifact_view import ArtifactView
from mlops_desk.registry.artifacts.files import Files, OpenFile
from mlops_desk.registry.artifacts.views import archives, notebooks, onnx, pickles, pictures, tables, tensors, texts
from mlops_desk.registry.artifacts.views.kinds import HEAD_BYTES, kind_of, language_of

READ_BYTES = 64 << 20
"""So much of a file is brought from another machine, and read to its end for its hash."""
_CHUNK_BYTES = 1 << 20  # chosen: few calls, little memory

Maker = Callable[[str, OpenFile], ArtifactView]


def view(files: Files, path: str) -> ArtifactView:
    """Return how a file looks. Raises NotFound, Refused and what reading it raises."""
    with files.open(path, READ_BYTES) as opened:
        kind = kind_of(path, opened.stream.read(HEAD_BYTES))
        opened.stream.seek(0)
        seen = _made(kind, path, opened)
        sha256 = _hash(opened.stream) if opened.is_whole and (opened.size_bytes or 0) <= READ_BYTES else None
        return replace(seen, size_bytes=opened.size_bytes, sha256=sha256)


def _made(kind: str, path: str, opened: OpenFile) -> ArtifactView:
    maker = _MAKERS.get(kind, _binary)
    try:
        return maker(path, opened)
    except DeskError as error:
        return ArtifactView(path, _SHOWN_AS.get(kind, kind), problem=error.message)
    except (ValueError, RecursionError, MemoryError, OSError, EOFError) as error:
        # What a library says of a file that it can't read, or that takes more than there is.
        problem = f"It can't be read as what it seems to be: {type(error).__name__} {plain(str(error), 300)}".rstrip()
        return ArtifactView(path, _SHOWN_AS.get(kind, kind), problem=problem)


def _text(kind: str) -> Maker:
    def made(path: str, opened: OpenFile) -> ArtifactView:
        text, is_cut = texts.read_json(opened.stream) if kind == "json" else texts.read_text(opened.stream)
        language = {"html": "html", "json": "json", "markdown": "markdown"}.get(kind) or language_of(path)
        return ArtifactView(path, kind, text=text, language=language, is_cut=is_cut)

    return made


def _binary(path: str, opened: OpenFile) -> ArtifactView:  # noqa: ARG001 - nothing of it is shown
    return ArtifactView(path, "binary")


def _hash(stream: IO[bytes]) -> str:
    """Return the hash of a file up to where it ends now."""
    stream.seek(0)
    digest, left = hashlib.sha256(), READ_BYTES + 1
    while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest()


_MAKERS: dict[str, Maker] = {
    **{kind: _text(kind) for kind in ("text", "code", "json", "markdown", "html")},
    "image": pictures.view,
    "csv": tables.view_csv,
    "parquet": tables.view_parquet,
    "notebook": notebooks.view,
    "pickle": pickles.view,
    "archive": archives.view,
    "safetensors": tensors.view,
    "onnx": onnx.view,
}
_SHOWN_AS = {"csv": "table", "parquet": "table", "safetensors": "binary", "onnx": "binary", "hdf5": "binary"}

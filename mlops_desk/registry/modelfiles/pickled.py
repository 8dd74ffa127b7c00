"""The names that a model's pickles would import, counted: read off their operations, never done."""

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

from mlops_desk.base.errors import DeskError
from mlops_desk.registry.artifacts.files import Files, OpenFile
from mlops_desk.registry.artifacts.views.opcodes import read_operations
from mlops_desk.registry.artifacts.views.pickles import is_packed, unpacked
from mlops_desk.registry.modelfiles.formats import TORCH_PICKLE

_READ_BYTES = 64 << 20  # chosen: a forest of some hundred trees; the names stand at the beginning
_MOST_PICKLES = 4  # chosen: a model is one; checkpoints beside it are alike
_MOST_NAMES = 500  # chosen: nobody scrolls further


def names_in(files: Files, paths: Sequence[str]) -> Mapping[str, int]:
    """Return each name that one of these files would import, with how often; what can't be read adds none."""
    found: Counter[str] = Counter()
    for path in paths[:_MOST_PICKLES]:
        try:
            with files.open(path, _READ_BYTES) as opened:
                found += read_operations(io.BytesIO(_pickle(opened))).names
        except (DeskError, zipfile.BadZipFile, zlib.error, OSError, NotImplementedError):
            continue  # gone, cut off, or packed in a way that is not unpacked here
    return dict(found.most_common(_MOST_NAMES))


def _pickle(opened: OpenFile) -> bytes:
    """Return the pickle that a file is, or that it holds as PyTorch's do."""
    head = opened.stream.read(2)
    opened.stream.seek(0)
    if head != b"PK":
        data = opened.stream.read(_READ_BYTES)
        return unpacked(data) if is_packed(data) else data
    with zipfile.ZipFile(opened.stream) as archive:
        inside = next((name for name in archive.namelist() if name.endswith(TORCH_PICKLE)), None)
        if inside is None:
            return b""
        with archive.open(inside) as packed:
            return packed.read(_READ_BYTES)

"""What a search asks of a version's files, and no more: flavours, format, size, names of columns. Nothing is loaded."""

from collections.abc import Mapping
from typing import Any

from mlops_desk.base.document.foreign import LIMIT_BYTES, mapping_in, read_document
from mlops_desk.base.text import plain
from mlops_desk.records.registry.file_glance import FileGlance
from mlops_desk.registry.artifacts.files import Files
from mlops_desk.registry.artifacts.sizes import added
from mlops_desk.registry.modelfiles.facts import MLMODEL, MOST_FILES, data_of
from mlops_desk.registry.modelfiles.formats import formats_of
from mlops_desk.registry.modelfiles.signature import columns_of

_MOST_COLUMNS = 500  # chosen: who looks for a column of a wider table knows the table


def glance_at(files: Files, seen: FileGlance) -> FileGlance:
    """Return ``seen`` with what the files say. Raises DeskErrors where there is no MLmodel that can be read."""
    document = read_document(data_of(files, MLMODEL, LIMIT_BYTES), MLMODEL)
    told = mapping_in(document, "flavors")
    listed = list(files.walk("", MOST_FILES + 1))
    formats = formats_of(files, listed, {name: mapping_in(told, name) for name in told})
    return FileGlance(
        seen.name,
        seen.version,
        seen.source,
        tuple(plain(name, 60) for name in told) or None,
        ", ".join(formats.names) or None,
        added(listed, MOST_FILES)[0],
        _columns(mapping_in(document, "signature")),
        seen.dataset,
    )


def _columns(signature: Mapping[str, Any]) -> tuple[str, ...]:
    found = [*(columns_of(signature, "inputs") or ()), *(columns_of(signature, "outputs") or ())]
    return tuple(dict.fromkeys(one.name for one in found[:_MOST_COLUMNS] if one.name))

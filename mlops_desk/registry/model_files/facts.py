"""What the files of a version say of it, put together: a part that can't be read is missing, the rest is told."""

import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_desk.kit.base.document.safe_yaml import LIMIT_BYTES, mapping_in, read_document, word
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import Files, OpenFile
from mlops_desk.registry.artifacts.sizes import added
from mlops_desk.registry.artifacts.views.pickles import is_packed, read_operations, unpacked
from mlops_desk.registry.artifacts.views.texts import decoded, shown
from mlops_desk.registry.model_files.formats import TORCH_PICKLE, formats_of
from mlops_desk.registry.model_files.signature import columns_of
from mlops_desk.registry.records.model import Artifact
from mlops_desk.registry.records.model_files import ModelFileFacts

# What a model wants installed: the lines of requirements.txt, its Python, and what it was logged with.
_MOST_LINES = 1000  # chosen: a whole environment, frozen
_LONGEST_LINE = 300  # chosen: a requirement with an address
_PYTHON = "python"


def requirements_of(text: str) -> tuple[str, ...]:
    """Return the requirements, each on one line, without comments and options; in their order."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.partition(" #")[0].strip()
        if stripped and not stripped.startswith(("#", "-")):
            found.append(plain(" ".join(stripped.split()), _LONGEST_LINE))
    return tuple(found[:_MOST_LINES])


def python_of(pyfunc: Mapping[str, Any], environment: Mapping[str, Any]) -> str | None:
    """Return the version of Python that a model was logged with, by its flavour or by python_env.yaml."""
    return word(pyfunc.get("python_version"), 40) or word(environment.get(_PYTHON), 40)


# The names that a model's pickles would import, counted: read off their operations, never done.
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


MOST_FILES = 10_000
"""So many files of a version are counted."""
_EXAMPLE_BYTES = 64 << 10  # chosen: some rows
_MOST_KEYS = 50  # chosen: of one flavour; MLflow writes ten
MLMODEL = "MLmodel"


def facts_of(files: Files, name: str, version: str) -> ModelFileFacts:
    """Return what a version's files say. Raises NotFound where there are none, and what reading the folder raises."""
    listed = list(files.walk("", MOST_FILES + 1))
    if not listed:
        raise NotFound(f"Version {plain(version)} of {plain(name)} has no files there.")
    problem = None
    document: Mapping[str, Any] = {}
    try:
        document = read_document(data_of(files, MLMODEL, LIMIT_BYTES), MLMODEL)
    except DeskError as error:
        problem = error.message
    return _told(files, listed, document, (name, version), problem)


def _told(
    files: Files, listed: Sequence[Artifact], document: Mapping[str, Any], named: tuple[str, str], problem: str | None
) -> ModelFileFacts:
    flavors = {name: mapping_in(mapping_in(document, "flavors"), name) for name in mapping_in(document, "flavors")}
    formats = formats_of(files, listed, flavors)
    signature = mapping_in(document, "signature")
    size_bytes, n_files = added(listed, MOST_FILES)
    return ModelFileFacts(
        *named,
        flavors={plain(name, 60): _flavor(told) for name, told in flavors.items()},
        formats=formats.names,
        loads_code=formats.loads_code,
        opcodes=names_in(files, formats.pickles),
        inputs=columns_of(signature, "inputs"),
        outputs=columns_of(signature, "outputs"),
        params=columns_of(signature, "params"),
        input_example=_example(files, document),
        requirements=requirements_of(_text(files, "requirements.txt", LIMIT_BYTES) or ""),
        python_version=python_of(flavors.get("python_function", {}), _python_environment(files)),
        mlflow_version=word(document.get("mlflow_version"), 40),
        model_id=word(document.get("model_id"), 80),
        size_bytes=size_bytes,
        n_files=n_files,
        problem=problem,
    )


def _flavor(told: Mapping[str, Any]) -> dict[str, str]:
    """Return what is said of a flavour as texts; lists and mappings as JSON, cut."""
    return {plain(key, 60): _word(value) for key, value in list(told.items())[:_MOST_KEYS] if value is not None}


def _word(value: Any) -> str:
    return plain(value if isinstance(value, str) else json.dumps(value, default=str), 300)


def _python_environment(files: Files) -> Mapping[str, Any]:
    try:
        return read_document(data_of(files, "python_env.yaml", LIMIT_BYTES), "python_env.yaml")
    except DeskError:
        return {}  # models of old have none


def _example(files: Files, document: Mapping[str, Any]) -> str | None:
    """Return the beginning of the example that was logged with a model."""
    path = mapping_in(document, "saved_input_example_info").get("artifact_path")
    return _text(files, path, _EXAMPLE_BYTES, cut=True) if isinstance(path, str) else None


def _text(files: Files, path: str, limit_bytes: int, *, cut: bool = False) -> str | None:
    try:
        return shown(decoded(data_of(files, path, limit_bytes, cut=cut)))
    except DeskError:
        return None  # not there, a link, or too large to be what it should be


def data_of(files: Files, path: str, limit_bytes: int, *, cut: bool = False) -> bytes:
    """Return what a file holds. Raises NotFound, Refused and what reading raises; Invalid where it is too large."""
    with files.open(path, limit_bytes + 1) as opened:
        data = opened.stream.read(limit_bytes + 1)
    if len(data) > limit_bytes and not cut:
        raise Invalid(f"{plain(path)} is larger than {limit_bytes >> 10} KiB.")
    return data[:limit_bytes]

"""What the files of a version say of it, put together: a part that can't be read is missing, the rest is told."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_desk.base.document.foreign import LIMIT_BYTES, mapping_in, read_document, word
from mlops_desk.base.errors import DeskError, Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.records.model import Artifact
from mlops_desk.records.registry.model_files import ModelFileFacts
from mlops_desk.registry.artifacts.files import Files
from mlops_desk.registry.artifacts.sizes import added
from mlops_desk.registry.artifacts.views.texts import decoded, shown
from mlops_desk.registry.modelfiles.formats import formats_of
from mlops_desk.registry.modelfiles.pickled import names_in
from mlops_desk.registry.modelfiles.requirements import python_of, requirements_of
from mlops_desk.registry.modelfiles.signature import columns_of

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

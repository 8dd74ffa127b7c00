"""A model's requirements.txt, which comes from outside, as the list its serving image is built from. Pure.

Only names, versions, extras and markers (PEP 508) get through: an option, a URL, a path or an editable
install could fetch and run anything while the image is built.
"""

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.image.model_files import ONNX, ModelFiles

_LIMIT_CHARACTERS = 65_536  # chosen: longer than the list of a full environment
_LIMIT_LINES = 1000  # chosen: more than a full environment has
_HINT = "Log the model again with plain requirements, such as scikit-learn==1.5.2."
_COMMENT = re.compile(r"(^|\s)#.*$")

# What reading requests needs besides the model: skinny leaves the data libraries out. How they are read has been
# the same since MLflow 3; a newer MLflow reads older models.
_SERVER = ("numpy", "pandas")
_OLDEST_SERVER = Version("3.0")
_NEWER_MLFLOW = "mlflow-skinny<4,>=3.5"
_MLFLOW = frozenset({"mlflow", "mlflow-skinny"})

# One module, packed in two ways. MLflow pins the first by the module's own version, whichever is installed
# (``get_default_pip_requirements`` of these flavours), and beside it the one that it finds: nobody has both wheels,
# and both installed would write over one another's files.
_PACKED_OTHERWISE = {"tensorflow-cpu": "tensorflow", "xgboost-cpu": "xgboost"}


def requirements_of(files: ModelFiles) -> tuple[str, ...]:
    """Return what to install to serve a model; a bare graph is served without MLflow. Raises Refused."""
    if files.kind == ONNX:
        return tuple(files.requirements.split())
    return serving_requirements(files.requirements, files.mlflow_version)


def serving_requirements(text: str, mlflow_version: str | None = None) -> tuple[str, ...]:
    """Return what to install to serve the model, one requirement a line, sorted.

    ``mlflow_version`` is what the model was saved with, for lists that don't name MLflow. Raises Refused.
    """
    parsed = _each_module_once(_parse(text))
    kept = [str(found) for found in parsed if canonicalize_name(found.name) not in _MLFLOW]
    names = {canonicalize_name(found.name) for found in parsed}
    ours = next((found for found in parsed if canonicalize_name(found.name) in _MLFLOW), None)
    kept.append(_skinny(ours.specifier if ours is not None else _exactly(mlflow_version)))
    return tuple(sorted({*kept, *(name for name in _SERVER if name not in names)}))


def _each_module_once(parsed: list[Requirement]) -> list[Requirement]:
    """Leave out what is named only because the same module is there in another package, of the same version."""
    twice = {(_PACKED_OTHERWISE.get(canonicalize_name(one.name)), one.specifier) for one in parsed}
    return [one for one in parsed if (canonicalize_name(one.name), one.specifier) not in twice]


def _parse(text: str) -> list[Requirement]:
    lines = text[: _LIMIT_CHARACTERS + 1].splitlines()
    if len(text) > _LIMIT_CHARACTERS or len(lines) > _LIMIT_LINES:
        raise Refused("The model's requirements.txt is too long to be one.", _HINT)
    return [_requirement(line) for line in (_COMMENT.sub("", line).strip() for line in lines) if line]


def _requirement(line: str) -> Requirement:
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        raise Refused(
            f"The model's requirements.txt has a line that names no package: {plain(line)!r}.", _HINT
        ) from error
    if requirement.url is not None or not line.isascii():
        raise Refused(f"The model's requirements.txt wants a package from an address: {plain(line)!r}.", _HINT)
    return requirement


def _skinny(specifier: SpecifierSet) -> str:
    """Name mlflow-skinny at the version that ``specifier`` pins, where its server is the one we start."""
    pins = [found.version for found in specifier if found.operator in {"==", "==="}]
    try:
        if pins and Version(pins[0].removesuffix(".*")) >= _OLDEST_SERVER:
            return f"mlflow-skinny{specifier}"
    except InvalidVersion:
        return _NEWER_MLFLOW
    return _NEWER_MLFLOW


def _exactly(version: str | None) -> SpecifierSet:
    try:
        return SpecifierSet(f"=={Version(version)}") if version else SpecifierSet()
    except InvalidVersion:
        return SpecifierSet()

"""In what two models' environments differ. Pure: it compares requirements by the name of the package.

A name is one name however it is written (PEP 503): ``Scikit_Learn`` is ``scikit-learn``. What is no requirement of a
known form (an address, a wheel) is compared as it stands.
"""

from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlops_desk.registry.records.model_files import ModelFileFacts

PYTHON = "python"
"""The interpreter among the packages."""


def environment_of(facts: ModelFileFacts) -> dict[str, str]:
    """Return what a model wants installed: of each package what is asked of it ("" for any version)."""
    found: dict[str, str] = {}
    for line in facts.requirements:
        name, wanted = _parted(line)
        # A package that stands there twice is asked for both.
        found[name] = f"{found[name]}; {wanted}" if name in found and found[name] != wanted else wanted
    if facts.python_version is not None:
        found[PYTHON] = f"=={facts.python_version}"
    return found


def environment_differences(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Return each package whose demand differs, with both; None: it is not asked for there. By name."""
    names = sorted(set(a) | set(b))
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}


def _parted(line: str) -> tuple[str, str]:
    try:
        found = Requirement(line)
    except InvalidRequirement:
        return line, ""
    extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
    address = f" @ {found.url}" if found.url else ""
    marker = f" ; {found.marker}" if found.marker else ""
    return canonicalize_name(found.name), f"{extras}{','.join(sorted(map(str, found.specifier)))}{address}{marker}"

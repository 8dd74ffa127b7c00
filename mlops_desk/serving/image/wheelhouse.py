"""What a folder of wheels holds, against what is wanted of it. Pure but for listing the folder."""

import platform
from collections.abc import Iterable
from pathlib import Path

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.base.text import plain

_MOST = 8  # chosen: so many names fit a sentence


def wheels_in(folder: Path) -> list[Path]:
    """Return the wheels that lie directly in a folder. Raises OSError."""
    return sorted(path for path in folder.iterdir() if path.suffix == ".whl" and path.is_file())


def lacking(requirements: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return the requirements for which no wheel of ``names`` is there, by name and version."""
    versions: dict[str, list[str]] = {}
    for name in names:
        try:
            project, version, _, _ = parse_wheel_filename(name)
        except InvalidWheelFilename:
            continue
        versions.setdefault(project, []).append(str(version))
    return tuple(text for text in requirements if not _is_met(Requirement(text), versions))


def _is_met(wanted: Requirement, versions: dict[str, list[str]]) -> bool:
    try:
        if wanted.marker is not None and not wanted.marker.evaluate():
            return True
    except UndefinedEnvironmentName:
        return True  # for an extra that nobody has asked for
    there = versions.get(canonicalize_name(wanted.name), [])
    return any(wanted.specifier.contains(version, prereleases=True) for version in there)


def check(folder: Path, pythons: Iterable[str]) -> None:
    """Raise Invalid for a folder from which nothing could be installed for any of ``pythons`` (``cp312``)."""
    hint = Hint("pip download --only-binary=:all: -d FOLDER -r requirements.txt", before="Where there is a network: ")
    if not folder.is_dir():
        raise Invalid(f"There is no folder {plain(str(folder))}.", "Name a folder of wheels by its whole path.")
    try:
        names = [path.name for path in wheels_in(folder)]
    except OSError as error:
        raise Invalid(f"The folder {plain(str(folder))} can't be looked into: {error.strerror}.") from error
    if not names:
        raise Invalid(f"The folder {plain(str(folder))} holds no wheels (*.whl).", hint)
    wanted = sorted(set(pythons))
    bound = {python for name in names for python in _bound_to(name)}
    if bound and not bound & {*wanted, "abi3"}:
        text = f"The wheels in {plain(str(folder))} are for {', '.join(sorted(bound)[:_MOST])} on {platform.machine()}"
        raise Invalid(f"{text}, and endpoints run {' or '.join(wanted)}.", hint)
    if not bound and not any(_is_pure(name) for name in names):
        raise Invalid(f"The wheels in {plain(str(folder))} are for other machines than {platform.machine()}.", hint)


def _bound_to(name: str) -> set[str]:
    """Return the Pythons that a wheel is compiled for on this machine; none for one that any takes."""
    try:
        tags = parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return set()
    ours = [tag for tag in tags if tag.platform.endswith(platform.machine())]
    return {"abi3" if tag.abi in {"abi3", "none"} else tag.interpreter for tag in ours}


def _is_pure(name: str) -> bool:
    try:
        return any(tag.platform == "any" for tag in parse_wheel_filename(name)[3])
    except InvalidWheelFilename:
        return False

"""Which GPUs the CDI files of this machine name: an engine finds no other, whatever the driver shows."""

import logging
from collections.abc import Iterable
from pathlib import Path

from mlops_desk.engines.dialects import CDI_KIND

_log = logging.getLogger(__name__)

FOLDERS = (Path("/etc/cdi"), Path("/var/run/cdi"))  # the two that the CDI specification names
_LARGEST_BYTES = 4 << 20  # chosen: one of eight GPUs with all their slices has some tens of kilobytes


def cdi_gpus(folders: Iterable[Path] = FOLDERS) -> set[str] | None:
    """Return the names of GPUs in the CDI files; None when there is no file of them. What is damaged names none."""
    names: set[str] = set()
    found = False
    for folder in folders:
        for path in _files(folder):
            said = _read(path)
            if said.get("kind") == CDI_KIND:
                found = True
                devices = said.get("devices")
                names |= (
                    {str(one.get("name")) for one in devices if isinstance(one, dict)}
                    if isinstance(devices, list)
                    else set()
                )
    return names if found else None


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in {".json", ".yaml", ".yml"})
    except OSError:
        return []  # no such folder: CDI is not set up there


def _read(path: Path) -> dict[str, object]:
    import yaml  # noqa: PLC0415 - the doctor alone reads these

    try:
        with path.open("rb") as file:
            said = yaml.safe_load(file.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        _log.info("%s is left out: %s", path, error)
        return {}
    return said if isinstance(said, dict) else {}

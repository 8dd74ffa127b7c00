"""The contexts of Docker's command line: engines that a person has named there. Read from its files; nothing is run."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.text import plain

_log = logging.getLogger(__name__)

_LARGEST_BYTES = 1 << 20  # a context has a few hundred bytes, and a configuration with many registries a few thousand
_MOST = 50  # chosen: more than a person names; each is asked what it is
_NAME_LIMIT = 60  # chosen: one column of a table


@dataclass(frozen=True, slots=True)
class DockerContext:
    """A name of the command line's for an engine's address; ``current``: it is the one that is in use there."""

    name: str
    address: str
    current: bool = False


def docker_contexts(environment: Mapping[str, str] | None = None) -> list[DockerContext]:
    """Return the contexts that name an address; damaged ones are left out, and said in the log."""
    env = os.environ if environment is None else environment
    folder = Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or "/nonexistent") / ".docker")
    current = str((_read(folder / "config.json") or {}).get("currentContext") or "")
    try:
        files = sorted((folder / "contexts/meta").glob("*/meta.json"))[:_MOST]
    except OSError:
        return []  # no contexts: the command line's own default is found by its place
    found = []
    for file in files:
        said = _read(file) or {}
        name, address = str(said.get("Name") or ""), _host(said)
        if name and address:
            found.append(DockerContext(plain(name, _NAME_LIMIT), address, name == current))
    return found


def _host(said: Mapping[str, object]) -> str:
    endpoints = said.get("Endpoints")
    endpoint = endpoints.get("docker") if isinstance(endpoints, dict) else None
    host = endpoint.get("Host") if isinstance(endpoint, dict) else None
    return host if isinstance(host, str) else ""


def _read(path: Path) -> dict[str, object] | None:
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(_LARGEST_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _log.info("%s is left out: %s", path, plain(str(error)))
        return None
    return said if isinstance(said, dict) else None

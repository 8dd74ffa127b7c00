"""Every engine that can be found on this machine: by settings, by variables, by contexts, in the usual places.

Nothing is concluded from a configuration but where to ask. An engine is what it answers, and whether it hands over
GPUs is what was seen in its containers (``proven``).
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.engines.docker.address import SPOKEN, docker_sockets, podman_sockets
from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import EngineInfo, NotAllowed
from mlops_desk.engines.records.engine import FoundEngine, GpuProof
from mlops_desk.kit.base.errors import DeskError, TimedOut
from mlops_desk.kit.base.text import plain

# The contexts of Docker's command line: engines that a person has named there. Read from its files; nothing is run.
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


_DEADLINE_SECONDS = 2.0  # chosen: one that does not answer within it is shown as silent, and the next is asked
_TEXT_LIMIT = 300  # chosen: a sentence or two in a table

Ask = Callable[[str], EngineInfo]
"""Ask the engine at an address what it is. Raises DeskError."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where an engine may be. ``names`` are those of the settings; ``expected``: it is told also where nothing is."""

    address: str
    source: str
    names: tuple[str, ...] = ()
    expected: bool = True


def candidates(named: Iterable[tuple[str, str]], environment: Mapping[str, str] | None = None) -> list[Candidate]:
    """Return where to ask, each address once; ``named`` are the (name, address) of the settings."""
    env = os.environ if environment is None else environment
    found = [Candidate(address, "settings", (name,)) for name, address in named]
    found += [
        Candidate(env[name].strip(), name) for name in ("DOCKER_HOST", "CONTAINER_HOST") if env.get(name, "").strip()
    ]
    found += [Candidate(one.address, f"context {one.name}") for one in docker_contexts(env)]
    places = (*docker_sockets(env), *podman_sockets(env))
    found += [Candidate(f"unix://{path}", "usual place", expected=False) for path in places]
    merged: dict[str, Candidate] = {}
    for one in found:
        known = merged.setdefault(same_address(one.address), one)
        if known is not one:
            merged[same_address(one.address)] = replace(known, names=tuple(dict.fromkeys((*known.names, *one.names))))
    return list(merged.values())


def look(where: Iterable[Candidate], proofs: Mapping[str, GpuProof], ask: Ask | None = None) -> list[FoundEngine]:
    """Ask at each place; ``proofs`` are by address. A usual place where nothing is, is no engine."""
    found = (_look(one, proofs, ask or _ask) for one in where)
    return [one for one in found if one is not None]


def _look(candidate: Candidate, proofs: Mapping[str, GpuProof], ask: Ask) -> FoundEngine | None:
    address, source, names = plain(candidate.address, _TEXT_LIMIT), candidate.source, candidate.names
    if not candidate.address.startswith(SPOKEN):
        text = "An address of this sort is not spoken here."
        hint = "Forward its socket to this machine (ssh -L) and name that in engine.others."
        return FoundEngine(address, source, "unspoken", names, text=text, hint=hint)
    if not candidate.expected and not Path(candidate.address.removeprefix("unix://")).exists():
        return None
    try:
        info = ask(candidate.address)
    except DeskError as error:
        state = "silent" if isinstance(error, TimedOut) else ("refused" if isinstance(error, NotAllowed) else "absent")
        return FoundEngine(address, source, state, names, text=plain(error.message, _TEXT_LIMIT), hint=error.hint)
    return FoundEngine(
        address,
        source,
        "ok",
        names,
        kind=info.name,
        version=info.version,
        api_version=info.api_version,
        rootless=info.rootless,
        live_restore=info.live_restore,
        gpu_route=info.gpu_route,
        proof=proofs.get(same_address(candidate.address)),
    )


def _ask(address: str) -> EngineInfo:
    engine = DockerEngine(lambda: address, deadline_seconds=_DEADLINE_SECONDS)
    try:
        return engine.info()
    finally:
        engine.close()


def same_address(address: str) -> str:
    """Return one word for an engine, by whatever path its socket is named (/run and /var/run are one folder)."""
    if address.startswith("unix://"):
        return f"unix://{os.path.realpath(address.removeprefix('unix://'))}"
    return address

"""What buildx works with: a folder in memory, of this process's user alone, with logins and secrets as files.

Nothing of it is on a command line, in an environment or on a disk. It goes with the build; what an agent that was
killed has left is cleared away by the next build of the same user.
"""

import base64
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from mlops_desk.engines.image_store import BuildOrder
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins.files import HUB, TOKEN_USER
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.base.process import end_group, start_child, start_ticks

MEMORY = Path("/dev/shm")  # noqa: S108 - memory, and the only place of it that every Linux has
_NAME = re.compile(r"mlops-desk-build-(\d+)-(\d+)\.(\d+)-\w+")
_HUB_KEY = "https://index.docker.io/v1/"  # under which docker login keeps the hub's


@dataclass(frozen=True, slots=True)
class Workplace:
    """``config`` is the folder of docker's settings, ``secrets`` are files by the names that the Dockerfile uses."""

    config: Path
    secrets: Mapping[str, Path]


@contextmanager
def workplace(
    logins: Sequence[RegistryLogin], secrets: Mapping[str, bytes], memory: Path = MEMORY
) -> Iterator[Workplace]:
    """Lay everything out, and take it away at the end. Raises Unavailable."""
    _tidy(memory)
    try:
        root = Path(tempfile.mkdtemp(prefix=f"{_prefix()}-", dir=memory))  # readable by this user alone
    except OSError as error:
        raise Unavailable(f"A build can't be given its place in {memory}: {error.strerror}.") from error
    try:
        yield _laid(root, logins, secrets)
    except OSError as error:
        raise Unavailable(f"What a build needs can't be laid in {root}: {error.strerror}.") from error
    finally:
        shutil.rmtree(root, ignore_errors=True)


def config_of(logins: Sequence[RegistryLogin], plugin_folders: Sequence[str]) -> dict[str, Any]:
    """Return docker's settings for one build: these logins and no others, and where else plugins lie."""
    return {
        "auths": {_HUB_KEY if one.registry == HUB else one.registry: _entry(one) for one in logins},
        "cliPluginsExtraDirs": list(plugin_folders),
    }


def _entry(login: RegistryLogin) -> dict[str, str]:
    if login.identity_token:
        return {"auth": _encoded(TOKEN_USER, ""), "identitytoken": login.identity_token}
    return {"auth": _encoded(login.user, login.password)}


def _encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _laid(root: Path, logins: Sequence[RegistryLogin], secrets: Mapping[str, bytes]) -> Workplace:
    config = root / "config"
    config.mkdir(mode=0o700)
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    _write(config / "config.json", json.dumps(config_of(logins, [str(own)])).encode())
    files = {}
    for number, (name, value) in enumerate(sorted(secrets.items())):
        files[name] = root / f"secret-{number}"
        _write(files[name], value)
    return Workplace(config, files)


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(data)


def _prefix() -> str:
    return f"mlops-desk-build-{os.geteuid()}-{os.getpid()}.{start_ticks(os.getpid()) or 0}"


def _tidy(memory: Path) -> None:
    """Take away what processes of this user have left that are gone."""
    for path in memory.glob(f"mlops-desk-build-{os.geteuid()}-*"):
        found = _NAME.fullmatch(path.name)
        if found is not None and start_ticks(int(found[2])) != int(found[3]):
            shutil.rmtree(path, ignore_errors=True)


# How buildx is called: the words of its command and what it finds in its environment. Pure.
#
# Proxies may hold a login, so their values are in the environment, which others can't read, and the command names them
# only. What a person gives a build by name stands in the command: an environment would let them choose what the
# program that builds for them loads.

_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
_NO_PROXY = ("no_proxy", "NO_PROXY")
# The program must not outlive the agent, which nobody would hear of: the kernel ends it then.
_WITH_AGENT = ("setpriv", "--pdeathsig", "KILL")
_BUILDER = "default"  # the engine's own BuildKit: what others have set up on this machine is theirs


def version_command(docker: str) -> list[str]:
    """Return the command that tells buildx's version."""
    return [docker, "buildx", "version"]


def build_command(
    docker: str, folder: Path, tag: str, labels: Mapping[str, str], order: BuildOrder, place: Workplace
) -> list[str]:
    """Return the command that builds."""
    words = [*_WITH_AGENT, docker, "buildx", "build", "--builder", _BUILDER, "--progress", "rawjson"]
    # Without attestations, so that an image is what its layers are, and the same on either store of images.
    words += ["--provenance=false", "--sbom=false", "--tag", tag, "--file", str(folder / order.dockerfile)]
    for key, value in labels.items():
        words += ["--label", f"{key}={value}"]
    for key, value in {**order.arguments, **order.values}.items():
        hidden = key in _PROXIES and key not in order.values
        words += ["--build-arg", key if hidden else f"{key}={value}"]
    for name, path in place.secrets.items():
        words += ["--secret", f"id={name},src={path}"]
    if order.target:
        words += ["--target", order.target]
    return [*words, "--", str(folder)]


def build_environment(address: str, order: BuildOrder, place: Workplace, certificates: str) -> dict[str, str]:
    """Return what is added to the environment: which engine, whose settings, and none of the agent's own habits.

    ``certificates`` is the folder of the agent's own for an engine that is reached by TLS.
    """
    proxies = {name: value for name, value in order.arguments.items() if name in _PROXIES}
    host = urlsplit(address).hostname if not address.startswith("unix:") else None
    if host is not None:  # the engine itself is reached directly, as it is by all other calls
        proxies |= {name: ",".join(filter(None, (proxies.get(name, ""), host))) for name in _NO_PROXY}
    return {
        **proxies,
        "DOCKER_HOST": address,
        "DOCKER_CONFIG": str(place.config),
        "DOCKER_CERT_PATH": certificates,
        "DOCKER_CONTEXT": "",
        "DOCKER_DEFAULT_PLATFORM": "",
        "BUILDX_BUILDER": "",
        "BUILDX_CONFIG": "",
        # A repository's own settings could make git run programs, and the folder may hold one.
        "BUILDX_GIT_INFO": "false",
        "BUILDX_GIT_LABELS": "false",
    }


# Finds the program that speaks to BuildKit, and its version; the program is somebody's on the PATH and may be any.

VERSION_SECONDS = 10.0  # chosen: a program of 60 MB that is read from a slow disk
_ANSWER_BYTES = 4096  # chosen: a version is a line
_LEAST_VERSION = (0, 13)  # the first that writes its progress as documents
_VERSION = re.compile(rb"\bv?((\d{1,4})\.(\d{1,4})\.\d{1,4})")
_DOCKER = Hint("sudo apt-get install docker-cli docker-buildx")
BUILDX = Hint("sudo apt-get install docker-buildx", after="    (from Docker's own packages: docker-buildx-plugin)")

Find = Callable[[str], str | None]
"""Returns where a program lies."""


class NoBuildKit(Unavailable):
    """Here is no BuildKit to be had, and nothing was begun."""


def find_program(
    environment: Mapping[str, str], find: Find = shutil.which, seconds: float = VERSION_SECONDS
) -> tuple[str, str]:
    """Return where docker lies, and the version of its plugin buildx. Raises NoBuildKit."""
    docker = find("docker")
    if docker is None:
        raise NoBuildKit("Docker's command line is not installed here, which speaks to BuildKit.", _DOCKER)
    try:
        process = start_child(version_command(docker), stderr=subprocess.DEVNULL, environment=environment)
    except OSError as error:
        raise NoBuildKit(f"Docker's command line can't be started: {error.strerror}.", _DOCKER) from error
    try:
        said = _first_bytes(process.stdout, seconds)
    finally:
        end_group(process)
    if said is None:
        raise NoBuildKit(f"Docker's buildx did not tell its version within {seconds:g} s.", BUILDX)
    found = _VERSION.search(said)
    if found is None:
        raise NoBuildKit("Docker's plugin buildx is not installed here, which speaks to BuildKit.", BUILDX)
    if (int(found[2]), int(found[3])) < _LEAST_VERSION:
        raise NoBuildKit(f"Docker's plugin buildx {found[1].decode()} is too old: from 0.13 on it is of use.", BUILDX)
    return docker, found[1].decode()


def _first_bytes(stream: IO[bytes] | None, seconds: float) -> bytes | None:
    """Return what is written first, up to a line's length; None when nothing came to an end in time."""
    if stream is None:
        raise AssertionError("it writes to a pipe")
    deadline, said = time.monotonic() + seconds, b""
    while len(said) < _ANSWER_BYTES:
        if not select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        chunk = stream.read1(_ANSWER_BYTES)  # type: ignore[attr-defined]  # a pipe's reader has it
        if not chunk:
            break
        said += chunk
    return said

"""What buildx works with: a folder in memory, of this process's user alone, with logins and secrets as files.

Nothing of it is on a command line, in an environment or on a disk. It goes with the build; what an agent that was
killed has left is cleared away by the next build of the same user.
"""

import base64
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Unavailable
from mlops_desk.base.process import start_ticks
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins.files import HUB, TOKEN_USER

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

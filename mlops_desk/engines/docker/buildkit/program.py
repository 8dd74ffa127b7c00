"""Finds the program that speaks to BuildKit, and its version; the program is somebody's on the PATH and may be any."""

import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import IO

from mlops_desk.base.errors import Hint, Unavailable
from mlops_desk.base.process import end_group, start_child
from mlops_desk.engines.docker.buildkit.command import version_command

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

"""Prints what is installed for the Python that runs it, as pip freeze does; run inside job containers.

By itself and for any Python from 3.8 on: nothing of the desk is there. It reads what installers left (dist-info) and
imports none of it; the image's Python runs anyway, in the same container, as soon as the command does.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def where_from(distribution: metadata.Distribution) -> str:
    """Return `` @ address`` for what came from no index, without user and password."""
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
        address = told["url"]
    except (ValueError, KeyError, TypeError, OSError):
        return ""
    scheme, colons, rest = str(address).partition("://")
    host, slash, path = rest.partition("/")
    commit = (told.get("vcs_info") or {}).get("commit_id")
    return " @ " + scheme + colons + host.rpartition("@")[2] + slash + path + ("@" + str(commit) if commit else "")


LIBRARIES = {
    "cuda": (("CUDA_VERSION", "NV_CUDA_CUDART_VERSION"), "nvidia-cuda-runtime"),
    "cudnn": (("NV_CUDNN_VERSION", "CUDNN_VERSION"), "nvidia-cudnn"),
    "nccl": (("NV_LIBNCCL_PACKAGE_VERSION", "NCCL_VERSION"), "nvidia-nccl"),
}
"""NVIDIA's libraries: the variables in which its images name their versions, and how their wheels begin."""


def libraries(versions: dict[str, str]) -> Iterator[str]:
    """Yield a line for each library whose version is known: what a wheel brings is what its program loads."""
    for name, (variables, wheel) in LIBRARIES.items():
        wheels = [version for package, version in sorted(versions.items()) if package.startswith(wheel + "-cu")]
        known = [*wheels, *(os.environ[variable] for variable in variables if os.environ.get(variable))]
        if known:
            yield "# " + name + " " + known[0].split()[0][:60]


def lines() -> Iterator[str]:
    """Yield a line for the Python and for each of NVIDIA's libraries, then one for each package, sorted by name."""
    yield "# python " + platform.python_version()
    found = {}
    versions = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name and name.lower() not in found:  # what comes first on the path is what is imported
            found[name.lower()] = f"{name}=={distribution.version}{where_from(distribution)}"
            versions[name.lower()] = str(distribution.version)
    yield from libraries(versions)
    for name in sorted(found):
        yield found[name]


if __name__ == "__main__":
    sys.stdout.write("".join(line.replace("\n", " ") + "\n" for line in lines()))

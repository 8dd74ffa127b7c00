"""Prints what is installed for the Python that runs it, as pip freeze does; run inside job containers.

By itself and for any Python from 3.8 on: nothing of the desk is there. It reads what installers left (dist-info) and
imports none of it; the image's Python runs anyway, in the same container, as soon as the command does.
"""

from __future__ import annotations

import json
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


def lines() -> Iterator[str]:
    """Yield a line for the Python, then one for each package, sorted by name."""
    yield "# python " + platform.python_version()
    found = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name and name.lower() not in found:  # what comes first on the path is what is imported
            found[name.lower()] = f"{name}=={distribution.version}{where_from(distribution)}"
    for name in sorted(found):
        yield found[name]


if __name__ == "__main__":
    sys.stdout.write("".join(line.replace("\n", " ") + "\n" for line in lines()))

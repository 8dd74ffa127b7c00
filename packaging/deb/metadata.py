"""What Debian's package manager is told: name, version, dependencies, checksums, changelog."""

from __future__ import annotations

import gzip
import hashlib
import re
from email.utils import formatdate
from typing import TYPE_CHECKING

from desk_setup import needs
from desk_setup.say import ROOT

if TYPE_CHECKING:
    from pathlib import Path

MAINTAINER = "The MLOps Desk authors <maintainers@mlopsdesk.invalid>"
DESCRIPTION = """Workstation manager for machine learning on one's own GPUs
 MLOps Desk is one window for the people who share a multi-GPU workstation: what
 every GPU does and who uses it, a queue of training jobs in containers, the
 models in an MLflow registry, endpoints that serve them, and whether the data
 that they see has drifted.
 .
 It runs without a network, and on machines without NVIDIA, Docker or MLflow
 for everything that does not need them."""


def version() -> str:
    text = (ROOT / "mlops_desk" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise ValueError("mlops_desk/__init__.py names no version")
    return found.group(1)


def depends() -> str:
    """The distribution's Python of the one version that the bytecode is for, Qt's libraries, the jobs' shell."""
    libraries = [" | ".join(need.packages) for need in (*needs.QT, *needs.QT_X11, *needs.SHELL)]
    return ", ".join(["python3 (>= 3.13~)", "python3 (<< 3.14)", "libc6 (>= 2.34)", *dict.fromkeys(libraries)])


def recommends() -> str:
    # Without nft no job starts on Podman, which only recommends it.
    return ", ".join([*(need.packages[0] for need in needs.QT_WAYLAND), "xdg-desktop-portal", "nftables"])


def control(installed_kib: int) -> str:
    fields = {
        "Package": "mlops-desk",
        "Version": version(),
        "Architecture": "amd64",
        "Maintainer": MAINTAINER,
        "Installed-Size": str(installed_kib),
        "Depends": depends(),
        "Recommends": recommends(),
        "Suggests": "docker.io | docker-ce | podman",
        "Section": "science",
        "Priority": "optional",
        "Description": DESCRIPTION,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def checksums(stage: Path) -> str:
    """The md5sums file, which `dpkg -V` compares the installed files with."""
    files = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    rows = [(hashlib.md5(path.read_bytes()).hexdigest(), path.relative_to(stage)) for path in files]
    return "".join(f"{digest}  {name}\n" for digest, name in rows if name.parts[0] != "DEBIAN")


def changelog(epoch: int) -> bytes:
    """Debian's changelog of a native package; the project's own one lies beside it."""
    entry = "  * See CHANGELOG.md in this folder."
    text = f"mlops-desk ({version()}) unstable; urgency=medium\n\n{entry}\n\n -- {MAINTAINER}  {formatdate(epoch)}\n"
    return gzip.compress(text.encode(), mtime=0)


def copyright_text() -> str:
    return """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: MLOps Desk
Comment: The libraries in /opt/mlops-desk/lib come under licences of their own, among them the
 LGPL-3 (Qt for Python); each carries its text in its .dist-info folder there.

Files: *
Copyright: 2026 The MLOps Desk authors
License: Apache-2.0
 On Debian systems the text of the Apache License, Version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
"""

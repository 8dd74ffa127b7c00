#!/usr/bin/env python3
"""Build the package twice from one commit and compare: who rebuilds it must get what we publish, byte for byte.

python3 packaging/trials/same_build.py
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "deb"
BUILD_SECONDS = 900


def compare(build: Callable[[], dict[str, str]]) -> int:
    """Return the exit code; `build` builds anew and returns what it made: digests by name."""
    first, second = (build() for _ in range(2))
    if first != second:
        print(f"Two builds of one commit differ: {first} and {second}.", flush=True)
        return 1
    print(f"Built twice alike: {', '.join(f'{name} {digest[:12]}' for name, digest in first.items())}.", flush=True)
    return 0


def built() -> dict[str, str]:
    """Build, and return the SHA-256 of each package by its name."""
    subprocess.run([sys.executable, str(ROOT / "packaging" / "deb" / "build.py")], check=True, timeout=BUILD_SECONDS)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(BUILT.glob("*.deb"))}


if __name__ == "__main__":
    sys.exit(compare(built))

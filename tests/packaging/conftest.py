"""The set-up, the package build and the trials are scripts, no package: put their folders on the path."""

import sys
from pathlib import Path

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
for folder in (PACKAGING, PACKAGING / "deb", PACKAGING / "trials"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

"""The program as it was at another commit: its code, unpacked from the repository's history, and a desk that runs it."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.end2end.desk import Desk

ROOT = Path(__file__).resolve().parents[2]


def unpack(commit: str, folder: Path) -> Path:
    """Put a commit's program and tests into ``folder``.

    Where the history was cut short (a shallow clone, an archive of the source) the test is left out, with words; in a
    whole history that lacks the commit it fails.
    """
    command = ["git", "archive", commit, "mlops_desk", "resources", "tests"]
    packed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    if packed.returncode:
        words = f"this copy's history lacks commit {commit}: fetch it whole (git fetch --unshallow)"
        (pytest.fail if _is_whole() else pytest.skip)(words)
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _is_whole() -> bool:
    command = ["git", "rev-parse", "--is-shallow-repository"]
    told = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return told.returncode == 0 and told.stdout.strip() == "false"


def desk_of(code: Path, folder: Path, environment: dict[str, str]) -> Desk:
    """Return the command line of the program in ``code``, on a data folder."""
    return Desk(folder, {**environment, "PYTHONPATH": str(code)}, ["env", "-C", str(code)])

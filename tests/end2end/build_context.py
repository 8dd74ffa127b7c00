"""Folders of which images are built."""

from pathlib import Path
from uuid import uuid4

from tests.images import busybox_image


def context(folder: Path, *lines: str) -> Path:
    folder.mkdir()
    new = f"ENV MLD_TEST={uuid4().hex}"  # else an engine that was asked before says of each step only that it is known
    (folder / "Dockerfile").write_text("\n".join((f"FROM {busybox_image()}", new, *lines)) + "\n")
    return folder

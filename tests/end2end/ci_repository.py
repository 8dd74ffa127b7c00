"""Repositories of git with a pipeline in them, and images that their builds leave."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.images import busybox_image

_AUTHOR = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


def git(folder: Path, *words: str) -> str:
    environment = {**os.environ, **_AUTHOR}
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True,
                          env=environment, timeout=240)  # fmt: skip
    return done.stdout.strip()


def repository(folder: Path, *stages: str, branch: str = "main") -> Path:
    """Make a repository with a pipeline of these stages, committed on a branch."""
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "weights").write_text("weights\n")
    (folder / "part" / "Dockerfile").write_text(f"FROM {busybox_image()}\nCOPY weights /baked\n")
    text = f"apiVersion: mlops-desk/v1\nkind: Pipeline\nname: e2e-ci\nstages:\n{''.join(stages)}"
    (folder / "mlops-desk.yaml").write_text(text)
    git(folder, "init", "-q", "-b", branch)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def shell(name: str, command: str, *more: str) -> str:
    words = json.dumps(["sh", "-c", command])
    return f"  - {{name: {name}, image: '{busybox_image()}', command: {words}{''.join(f', {one}' for one in more)}}}\n"


def stages_of(run: Any) -> dict[str, str]:
    return {stage["name"]: stage["state"] for stage in run["stages"]}

"""A driver call in uninterruptible sleep, for real: the host goes on, and so do the GPUs once it returns."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("dead_driver.py")
TOOLS = ("unshare", "mkfs.ext4", "fsfreeze", "losetup")
POSSIBLE = os.geteuid() == 0 and all(map(shutil.which, TOOLS)) and Path("/dev/loop-control").exists()

pytestmark = [
    pytest.mark.end2end,
    pytest.mark.nvml,
    pytest.mark.skipif(not POSSIBLE, reason="only root, with a loop device, may freeze a disk"),
]


def test_calls_that_can_not_be_killed_cost_the_gpus_only_and_they_come_back(tmp_path: Path) -> None:
    command = ["unshare", "--mount", sys.executable, str(SCRIPT), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert "D" in told["state"], "killed, and still there"
    assert set(told["gpus"]) == {"stale"}
    assert told["values"] == []
    assert all("since" in note for note in told["notes"])
    assert "does not answer" in told["note"]
    assert len(told["memory"]) > 2
    assert None not in told["memory"], "the host is read on"
    print(f"all GPUs were back after {told['back']:.1f} s")

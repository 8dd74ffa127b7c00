"""A network mount whose server is dead, for real: it keeps its row, and holds up nobody."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("dead_mount.py")
POSSIBLE = os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK) and shutil.which("unshare") is not None


@pytest.mark.skipif(not POSSIBLE, reason="only root may mount a filesystem without a server")
def test_a_dead_mount_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    command = ["unshare", "--mount", sys.executable, str(SCRIPT), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    dead = told["silent"][str(tmp_path)]
    assert dead["note"].startswith("not responding since")
    assert dead["used"] is None
    assert told["silent"]["/"]["used"] is not None
    assert str(tmp_path) not in told["gone"]

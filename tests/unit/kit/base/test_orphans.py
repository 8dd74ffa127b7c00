"""A worker that is busy does not outlive an agent that was killed."""

import subprocess
import sys
import textwrap
import time

from mlops_desk.kit.base.process import start_ticks

CHILD = """
import os, time
from pathlib import Path
from mlops_desk.kit.base.process import serve_one
def work(request):
    Path(request["file"]).write_text(str(os.getpid()))
    time.sleep(600)
serve_one(work)
"""
PARENT = f"""
import json, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdin=subprocess.PIPE, start_new_session=True)
child.communicate(json.dumps({{"file": sys.argv[1]}}).encode())
"""


def test_a_busy_worker_ends_with_its_parent(tmp_path):
    file = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(PARENT), str(file)])
    try:
        while not (file.exists() and file.read_text()):
            time.sleep(0.02)
        pid = int(file.read_text())
        assert start_ticks(pid) is not None
    finally:
        parent.kill()
        parent.wait()
    while start_ticks(pid) is not None:  # the test's own time limit ends this
        time.sleep(0.02)

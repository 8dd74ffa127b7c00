"""The window process loads none of the agent's heavy libraries, and pyqtgraph only for the bars of drift."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, sys
sys.path.insert(0, "tests/ui")
from PySide6.QtCore import QTimer
from doubles import Double
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.desk.window import app
seen = {}
def begin(program):
    def look():
        seen["overview"] = sorted(sys.modules)
        for page in ("gpus", "host", "storage", "events", "jobs", "endpoints", "models", "settings"):
            program.window.sidebar.choose(page)
        QTimer.singleShot(1000, program, look_at_bars)
    def look_at_bars():
        seen["curves"] = sorted(sys.modules)
        program.window.sidebar.choose("drift")
        program.window.page().tabs.choose("reports")
        QTimer.singleShot(2500, program, done)
    def done():
        seen["all"] = sorted(sys.modules)
        program.end()
    QTimer.singleShot(1500, program, look)
class Watched(app.Program):
    def start(self):
        super().start()
        begin(self)
app.Program = Watched
status = app.run(Double(beat_seconds=0.2).connect, app.UiOptions(AgentAddress.parse(sys.argv[1])))
print(json.dumps({"status": status, **seen}))
"""


@pytest.mark.slow
def test_the_window_loads_no_heavy_library(tmp_path):
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "data")], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["status"] == 0
    heavy = {"sqlalchemy", "alembic", "mlflow", "docker", "pynvml", "pandas", "duckdb", "fastapi", "scipy"}
    assert not heavy & set(seen["all"])
    assert "pyqtgraph" not in seen["overview"]
    loaded = {name for name in seen["overview"] if ".window." in name}
    assert "mlops_desk.drift.window.feature" in loaded, "every feature is asked for its badge"
    assert {name for name in loaded if name.endswith((".page", "_form"))} == {
        "mlops_desk.desk.window.overview.page",
        "mlops_desk.kit.window.parts.page",
    }, "no page and no form that nobody opened"
    assert not {"pyqtgraph", "numpy"} & set(seen["curves"])
    assert "pyqtgraph" in seen["all"]

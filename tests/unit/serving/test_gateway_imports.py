"""The gateway is small: it stands in the path of every request and outlives the agent."""

import subprocess
import sys

import pytest

FOREIGN = {"sqlalchemy", "alembic", "mlflow", "docker", "pandas", "fastapi", "PySide6", "pynvml", "scipy"}


@pytest.mark.slow
def test_the_gateway_loads_nothing_it_does_not_need() -> None:
    script = "import sys, mlops_desk.serving.gateway.process; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert FOREIGN.isdisjoint(done.stdout.split())

"""What the agent loads of the registry, and what its workers leave behind."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_agents_part_loads_no_mlflow():
    program = """
import sys
import mlops_desk.registry.service
heavy = {"mlflow", "sqlalchemy", "pandas", "numpy", "flask"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

"""Workers beside the desk are started once a minute and more: none of them loads the house, which took 2 s of a core."""

import subprocess
import sys
from pathlib import Path

import pytest

import mlops_desk


@pytest.mark.slow
def test_no_worker_loads_the_house() -> None:
    package = Path(mlops_desk.__file__).parent
    places = ("desk/**", "automation/watch_workers", "governance")
    workers = sorted(path for place in places for path in package.glob(f"{place}/*_worker.py"))
    assert len(workers) >= 3
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in workers]
    code = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "print([name for name in sys.modules if name.startswith('mlops_desk.desk.desk')])"
    )
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout == "[]\n"

"""What the demo shows must make sense: a job that runs out of GPU memory has a GPU; another server is another one."""

import pytest
import yaml

from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import DeskError
from mlops_desk.desk.demo import data, house


def test_a_demo_job_that_fails_for_gpu_memory_has_a_gpu():
    programs = house._programs()
    for text in data.JOBS:
        spec = yaml.safe_load(text)
        lines = next(program.lines for name, program in programs.items() if name in spec["command"])
        if any("CUDA out of memory" in line for line in lines):
            assert spec["resources"]["gpus"] > 0, spec["name"]


def test_an_address_where_nothing_answers_fails_in_the_demo_too(tmp_path):
    folder = DataFolder(tmp_path)
    server = house._DemoServer(folder.registry, folder.logs / "tracking.log", lambda: None, lambda _: None)
    registries = house._DemoRegistries(server, house._filled_registry(tmp_path / "files"))
    try:
        assert registries.open(None) is registries.open("simulated")
        with pytest.raises(DeskError):
            registries.open("http://127.0.0.1:9").models()
    finally:
        registries.stop()

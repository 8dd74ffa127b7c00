"""What the demo shows must make sense: a job that runs out of GPU memory has a GPU; another server is another one."""

import time

import pytest
import yaml

from mlops_desk.desk.demo import data, demo_desk, models
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError


def test_a_demo_job_that_fails_for_gpu_memory_has_a_gpu():
    programs = demo_desk._programs()
    for text in data.JOBS:
        spec = yaml.safe_load(text)
        lines = next(program.lines for name, program in programs.items() if name in spec["command"])
        if any("CUDA out of memory" in line for line in lines):
            assert spec["resources"]["gpus"] > 0, spec["name"]


@pytest.mark.slow
def test_an_address_where_nothing_answers_fails_in_the_demo_too(tmp_path):
    folder = DataFolder(tmp_path)
    server = demo_desk._DemoServer(folder.registry, folder.logs / "tracking.log", lambda: None, lambda _: None)
    registries = demo_desk._DemoRegistries(server, models.filled(tmp_path / "files", time.time()))
    try:
        assert registries.open(None) is registries.open("simulated")
        with pytest.raises(DeskError):
            registries.open("http://127.0.0.1:9").models()
    finally:
        registries.stop()


def test_the_champions_past_ends_where_they_are_now(tmp_path):
    now = time.time()
    registry = models.filled(tmp_path / "files", now)
    at = {(one.move.model, one.move.alias): one.move.to_version for one in models.moves(now)}
    known = {(one.name, alias): version for one in registry.models() for alias, version in one.aliases.items()}
    assert at == known
    assert all(one.move.at < now for one in models.moves(now))


def test_each_version_of_the_demo_has_a_logged_model_of_its_own(tmp_path):
    registry = models.filled(tmp_path / "files", time.time())
    sources = [version.source for one in registry.models() for version in registry.versions(one.name)]
    assert len(set(sources)) == len(sources) == 12

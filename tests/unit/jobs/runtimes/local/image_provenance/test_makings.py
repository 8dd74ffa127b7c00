"""What an attempt is made of and took: listed inside by real shells, read outside with care."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.docker.answers import image_facts
from mlops_desk.engines.fake import FakeEngine
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import ImageIdentity
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.local.image_provenance import list_packages
from mlops_desk.jobs.runtimes.local.image_provenance.wrapper_report import (
    LISTER,
    clean_packages,
    lister,
    makings,
    parse_usage,
)
from tests.unit.jobs.runtimes.local.test_wrapper import OWN, SHELLS, Box


@pytest.fixture(params=SHELLS, ids="-".join)
def shell(request):
    return request.param


def boxed(tmp_path):
    box = Box(tmp_path)
    (box.folder.path / "in" / LISTER).write_bytes(lister(None))
    box.program("python3", f'echo "$@" >>{tmp_path}/asked; exec {sys.executable} "$@"')
    return box


def job(image_id="sha256:1"):
    return Job("1", "a", JobState.RUNNING, JobSpec("a", "img"), 1.0, 0, "me", image_id=image_id)


def test_packages_are_listed_beside_the_command(tmp_path, shell):
    box = boxed(tmp_path)
    code, output, outcome = box.run(shell, "sh", "-c", "echo out; exit 3")
    assert (code, output, outcome.exit_code) == (3, "out\n", 3)
    text = (box.folder.out / "packages.txt").read_text()
    assert text.startswith("# python 3.")
    assert "\npytest==" in text
    assert (tmp_path / "asked").read_text() == f"{box.folder.path}/in/packages.py\n"


def test_the_commands_own_python_is_asked(tmp_path, shell):
    box = boxed(tmp_path)
    box.program("python3.99", 'case $1 in *packages.py) echo "mine==1" ;; *) exit 5 ;; esac')
    code, _, _ = box.run(shell, str(box.bin / "python3.99"), "train.py")
    assert code == 5
    assert (box.folder.out / "packages.txt").read_text() == "mine==1\n"


def test_nvidias_libraries_are_told_by_their_wheels_or_by_the_images_own_words(monkeypatch):
    for name in ("CUDA_VERSION", "NV_CUDNN_VERSION", "CUDNN_VERSION", "NCCL_VERSION", "NV_LIBNCCL_PACKAGE_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("NV_CUDA_CUDART_VERSION", raising=False)
    assert list(list_packages.libraries({"numpy": "2.0"})) == []
    monkeypatch.setenv("CUDA_VERSION", "12.4.1")
    monkeypatch.setenv("NCCL_VERSION", "2.21.5-1\nevil line")
    wheels = {"nvidia-cudnn-cu12": "9.1.0.70", "nvidia-cudnn-frontend": "1.0"}
    assert list(list_packages.libraries(wheels)) == ["# cuda 12.4.1", "# cudnn 9.1.0.70", "# nccl 2.21.5-1"]


@pytest.mark.parametrize("python", ["exit 1", "kill -9 $$", "echo half; exit 2"])
def test_a_python_that_can_not_leaves_no_list_and_harms_nothing(tmp_path, shell, python):
    box = boxed(tmp_path)
    box.program("python3", python)
    box.program("python", python)
    code, output, _ = box.run(shell, "sh", "-c", "exit 0")
    assert (code, output) == (0, "")
    assert not (box.folder.out / "packages.txt").exists()


@pytest.mark.slow
def test_a_python_that_hangs_is_not_waited_for_long(tmp_path, shell):
    box = boxed(tmp_path)
    box.program("python3", "exec sleep 30")
    box.script.write_text(box.script.read_text().replace("left=50", "left=3"))
    process = box.start(shell, "sh", "-c", "exit 4")
    try:
        assert process.wait(20) == 4
    finally:
        os.killpg(process.pid, 9)
        process.communicate()


def test_an_image_without_python_has_no_list(tmp_path):
    box = boxed(tmp_path)
    (box.bin / "python3").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "true").symlink_to(shutil.which("true"))
    code, _, _ = box.run(OWN, "true", path=str(empty))
    assert code == 0
    assert not (box.folder.out / "packages.txt").exists()


def test_what_the_container_took_is_noted(tmp_path, shell):
    box = Box(tmp_path)
    groups = tmp_path / "cgroup"
    groups.mkdir()
    (groups / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (groups / "memory.peak").write_text("1048576\n")
    box.script.write_text(box.script.read_text().replace("/sys/fs/cgroup", str(groups)))
    assert box.run(shell, "sh", "-c", "exit 0")[0] == 0
    assert parse_usage((box.folder.out / "usage").read_bytes()) == (2.5, 1048576)


def test_a_container_with_little_memory_lists_nothing():
    assert lister(511 << 20) is None
    assert lister(512 << 20) is not None
    assert lister(None) is not None


def test_the_lister_needs_nothing_and_leaves_no_login(tmp_path):
    place = tmp_path / "mine-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (place / "direct_url.json").write_text(
        '{"url": "https://u:s3cret@h/x.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}'
    )
    (tmp_path / "odd-2.dist-info").mkdir()
    (tmp_path / "odd-2.dist-info" / "METADATA").write_text("Name: odd\nVersion: 2\n")
    (tmp_path / "odd-2.dist-info" / "direct_url.json").write_text("[]")
    environment = {"PYTHONPATH": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, list_packages.__file__], env=environment, capture_output=True, check=True, text=True
    ).stdout
    assert "\nmine==1.0 @ https://h/x.git@c0ffee\n" in told
    assert "\nodd==2\n" in told


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", (None, None)),
        (b"cpuacct/cpuacct.usage 1500000000\nmemory/memory.max_usage_in_bytes 4096\n", (1.5, 4096)),
        (b"cpu.stat usage_usec x\nmemory.peak max\n", (None, None)),
        (b"cpu.stat nr_periods 7\n", (None, None)),
        (b"memory.peak 0\n", (None, 0)),
        (b"\xff\n", (None, None)),
    ],
)
def test_usage(text, found):
    assert parse_usage(text) == found


@given(st.binary(max_size=100))
@example(b"memory.peak " + b"9" * 60)
@example(b"cpu.stat usage_usec -1")
def test_no_usage_is_too_strange(data):
    seconds, peak = parse_usage(data)
    assert seconds is None or seconds >= 0
    assert peak is None or peak >= 0


def test_a_list_is_plain_and_bounded():
    assert clean_packages(b"a==1\n\n\x1b[31mb==2\n") == "a==1\n\\x1b[31mb==2\n"
    assert clean_packages(b"\n") is None
    assert clean_packages(b"x" * ((1 << 20) + 1)) is None


def test_what_a_job_left_in_the_place_of_a_file_is_not_followed(tmp_path):
    engine = FakeEngine(images=["img"])
    (tmp_path / "secret").write_text("s==1\n")
    (tmp_path / "packages.txt").symlink_to("secret")
    os.mkfifo(tmp_path / "usage")
    found = makings(engine, job(engine.image("img").id), tmp_path)
    assert (found.packages, found.cpu_seconds, found.memory_peak_bytes) == (None, None, None)
    assert found.image.id == engine.image("img").id
    assert found.versions["engine"]


@pytest.mark.parametrize(("held", "used"), [(True, (2.0, 4096)), (False, (None, None))])
def test_what_was_counted_for_the_whole_machine_is_not_the_jobs(tmp_path, monkeypatch, held, used):
    engine = FakeEngine(images=["img"])
    info = replace(engine.info(), holds_limits=held)
    monkeypatch.setattr(engine, "info", lambda: info)
    (tmp_path / "usage").write_text("cpuacct/cpuacct.usage 2000000000\nmemory/memory.max_usage_in_bytes 4096\n")
    found = makings(engine, job(engine.image("img").id), tmp_path)
    assert (found.cpu_seconds, found.memory_peak_bytes) == used


def test_an_image_that_is_gone_is_known_by_its_id(tmp_path):
    assert makings(FakeEngine(), job(), tmp_path).image == ImageIdentity(id="sha256:1")
    assert makings(FakeEngine(), job(None), tmp_path).image is None


def test_an_image_is_known_by_its_layers():
    data = {
        "Id": "sha256:1",
        "Os": "linux",
        "Architecture": "amd64",
        "RootFS": {"Type": "layers", "Layers": ["a", "b"]},
    }
    facts = image_facts(data)
    assert (facts.os, facts.architecture, facts.diff_ids) == ("linux", "amd64", ("a", "b"))
    assert image_facts({"Id": "sha256:1"}).diff_ids == ()

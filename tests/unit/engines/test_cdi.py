"""What CDI files name, and what the doctor says of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.desk.engines.composition import (
    apart_check,
    files_check,
    limits_check,
    network_tools_check,
    open_ports,
    proof_check,
)
from mlops_desk.engines.dialects import cdi_gpus
from mlops_desk.engines.engine import EngineInfo
from mlops_desk.engines.records.engine import GpuProof

A, B = "GPU-aaaaaaaa-0000-4000-8000-000000000000", "GPU-bbbbbbbb-0000-4000-8000-000000000000"
CDI = EngineInfo("Podman", "5.4.2", "1.41", "cdi", True, "unix:///p.sock")
HOOK = EngineInfo("Docker", "26", "1.45", "nvidia", True, "unix:///d.sock")


def spec(*names: str, kind: str = "nvidia.com/gpu") -> str:
    return json.dumps({"cdiVersion": "0.6.0", "kind": kind, "devices": [{"name": name} for name in names]})


def test_names_of_all_files_are_put_together(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/nvidia.yaml").write_text(f"kind: nvidia.com/gpu\ndevices:\n- name: {A}\n- name: all\n")
    (tmp_path / "b/x.json").write_text(spec(B))
    (tmp_path / "b/net.json").write_text(spec("other", kind="vendor.com/net"))
    (tmp_path / "b/readme.txt").write_text(spec("no"))
    assert cdi_gpus([tmp_path / "a", tmp_path / "b", tmp_path / "nosuch"]) == {A, B, "all"}
    assert cdi_gpus([tmp_path / "nosuch"]) is None


@pytest.mark.parametrize(
    "text",
    ["", "[", "- 1", "kind: nvidia.com/gpu", "kind: nvidia.com/gpu\ndevices: 7", "\x00", "!!python/object:os.x {}"],
)
def test_a_damaged_file_names_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "nvidia.yaml").write_text(text)
    assert not cdi_gpus([tmp_path])


@pytest.mark.parametrize(
    ("info", "uuids", "named", "state", "said"),
    [
        (HOOK, [A], None, "ok", "not handed over by CDI"),
        (CDI, [], None, "ok", "no GPU"),
        (CDI, [A], None, "problem", "no file names them"),
        (CDI, [A, B], {"0", "1", "all"}, "problem", f"not named by UUID: {A}, {B}"),
        (CDI, [A, B], {A, "all"}, "problem", f"not named by UUID: {B}"),
        (CDI, [A], {A, B, "all"}, "warning", f"some that are not there: {B}"),
        (CDI, [A, B], {A, B, "all", "0"}, "ok", "all 2 GPUs"),
    ],
)
def test_stale_files_are_told_with_what_mends_them(info, uuids, named, state, said) -> None:
    check = files_check(info, uuids, lambda: named)
    assert (check.state, said in check.text) == (state, True)
    assert ("--device-name-strategy=uuid" in (check.fix or "")) is (state != "ok")


def test_only_what_was_seen_is_a_proof() -> None:
    assert proof_check(None, True).state == "unknown"
    assert proof_check(None, False).state == "ok"
    told = proof_check(GpuProof("uuid", (A, B), 0.0), True)
    assert (told.state, "2 GPUs seen by their UUIDs" in told.text) == ("ok", True)


def test_an_engine_that_holds_nobody_to_limits_is_told() -> None:
    info = EngineInfo("Podman", "5.4.2", "1.41", "cdi", True, "unix:///p.sock", rootless=True)
    assert limits_check(info).state == "ok"
    found = limits_check(replace(info, holds_limits=False))
    assert found.state == "warning"
    assert "Podman without root holds no container to its processors and memory" in found.text


DOCKER = EngineInfo("Docker", "26.1.5", "1.45", None, True, "unix:///d.sock")


@pytest.mark.parametrize(
    ("info", "listening", "state", "said"),
    [
        (DOCKER, set(), "ok", "jobs are kept apart"),
        (DOCKER, {5432, 22}, "warning", "ports 22, 5432."),
        (DOCKER, None, "unknown", "is not known"),
        (replace(DOCKER, keeps_apart=False), set(), "warning", "reach one another's ports"),
        (DOCKER, set(range(1, 15)), "warning", "11, 12 and 2 more."),
    ],
)
def test_it_is_told_whom_jobs_reach(info, listening, state, said) -> None:
    check = apart_check(info, listening)
    assert (check.state, said in check.text) == (state, True)
    assert ("-i mld-jobs" in (check.fix or "")) is bool(listening)
    assert apart_check(replace(info, rootless=True), listening).fix is None
    assert apart_check(replace(info, name="Podman"), listening).fix is None


@pytest.mark.parametrize(
    ("missing", "state", "said", "fix"),
    [
        ((), "ok", "nothing is missing", None),
        (("nft",), "problem", "nft is missing", "sudo apt-get install nftables"),
        (("nft", "netavark"), "problem", "nft and netavark are missing", "sudo apt-get install nftables netavark"),
    ],
)
def test_before_its_first_job_podman_s_network_tools_are_looked_for(missing, state, said, fix) -> None:
    check = network_tools_check(replace(DOCKER, name="Podman"), lambda program: program not in missing)
    assert (check.state, said in check.text, check.fix) == (state, True, fix)
    assert network_tools_check(DOCKER, lambda _: False).state == "ok", "Docker brings its own"


def test_only_what_listens_on_all_addresses_is_counted(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue\n"
    (tmp_path / "tcp").write_text(
        f"{head}   0: 00000000:0016 00000000:0000 0A 0\n   1: 0100007F:1538 00000000:0000 0A 0\n"
        "   2: 00000000:01BB 00000000:0000 01 0\n"
    )
    (tmp_path / "tcp6").write_text(f"{head}   0: {'0' * 32}:1F90 {'0' * 32}:0000 0A 0\n")
    assert open_ports((tmp_path / "tcp", tmp_path / "tcp6")) == {22, 8080}
    assert open_ports((tmp_path / "nosuch",)) is None
    (tmp_path / "tcp").write_text(f"{head}odd\n")
    assert open_ports((tmp_path / "tcp",)) is None

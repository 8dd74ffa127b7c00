"""What the desk does with the ledger at each look."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.gpus.leases.allocation import GpuFault
from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import ENVIRONMENT, LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.ledger_watch import Leasing
from mlops_desk.jobs.records.waiter import KeptFor
from mlops_desk.kit.records.agent import Check
from mlops_desk.machine.records.gpu import Gpu, GpuState, MigInstance
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.status import Sample
from tests.leasing import lease_gpus

GPUS = [Gpu(f"GPU-{index}", index, "Test", None, GpuState.OK, processes_known=True) for index in range(2)]


def ledger(folder: Path, name: str) -> LeaseLedger:
    return LeaseLedger(LeaseOwner(name), folders=LeaseFolders((folder,)))


def sample(age_seconds: float = 0.0) -> Sample:
    return Sample(1, time.time() - age_seconds, tuple(GPUS), Host("h"))


@pytest.mark.parametrize(
    ("age_seconds", "interval_seconds", "is_known"),
    [
        (0.0, 1.0, True),
        (9.0, 1.0, True),
        (11.0, 1.0, False),
        (11.0, 10.0, True),
        (24.0, 10.0, True),
        (26.0, 10.0, False),
    ],
)
def test_what_the_driver_showed_too_long_ago_is_no_ground_to_give_gpus_out(
    tmp_path: Path, age_seconds: float, interval_seconds: float, *, is_known: bool
) -> None:
    leasing = Leasing(ledger(tmp_path, "ours"), "ours", lambda: interval_seconds)
    facts = leasing.facts(sample(age_seconds))
    assert (facts is not None) is is_known
    if facts is not None:
        assert [gpu.uuid for gpu in facts.gpus] == ["GPU-0", "GPU-1"]


def test_each_look_upholds_our_leases(tmp_path: Path) -> None:
    ours = ledger(tmp_path, "ours")
    leasing = Leasing(ours, "ours", lambda: 1.0)
    lease_gpus(ours, "a1", "train", 1, ours.facts(GPUS, time.time()))
    file = tmp_path / f"mlops-desk-leases-{os.geteuid()}" / "GPU-0.lease"
    file.write_text("garbage")
    info = leasing.known(sample())["GPU-0"]
    assert (info.state, info.attempt) == ("leased", "a1")
    assert "is damaged, and has been written anew" in (info.trouble or "")
    assert ledger(tmp_path, "other").snapshot()["GPU-0"].attempt == "a1"


def test_that_ours_can_not_be_upheld_is_told_with_them_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = ledger(tmp_path, "ours"), ledger(tmp_path, "other")
    leasing = Leasing(ours, "ours", lambda: 1.0)
    lease_gpus(ours, "a1", "train", 1, ours.facts(GPUS, time.time()))
    lease_gpus(others, "b1", "train", 1, ours.facts(GPUS, time.time()))
    with monkeypatch.context() as broken:
        broken.setattr(LeaseFolders, "glance_own", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        infos = leasing.known(sample())
    assert infos["GPU-0"].trouble == "The lease of a GPU could not be written: Input/output error."
    assert infos["GPU-1"].trouble is None
    assert leasing.known(sample())["GPU-0"].trouble is None


def check(*folders: Path) -> Check:
    ours = LeaseLedger(LeaseOwner("ours"), folders=LeaseFolders(folders))
    return Leasing(ours, "ours", lambda: 1.0).check()


def test_the_doctor_names_the_folders_of_leases(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    told = check(tmp_path, tmp_path / "gone")
    assert (told.name, told.state, told.text) == ("gpu leases", "ok", f"kept in {tmp_path}")


def test_without_a_folder_the_doctor_says_which_is_missing_and_how_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    gone = tmp_path / "gone away"
    told = check(gone)
    assert (told.state, told.text) == ("problem", f"no GPU can be given out: {gone} is not there")
    assert told.fix == f"sudo mkdir -p '{gone}' && sudo chmod 1777 '{gone}'"
    monkeypatch.setenv(ENVIRONMENT, str(gone))
    assert "MLOPS_DESK_LEASE_DIR names it, and all users of this machine need the same" in check(gone).text


def test_a_file_or_a_folder_that_is_closed_where_leases_should_lie_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    file = tmp_path / "file"
    file.touch()
    told = check(tmp_path / "gone", file)
    assert told.text == f"no GPU can be given out: {tmp_path / 'gone'} is not there and {file} is no folder"
    assert told.fix is None
    assert f"{file / 'below'} is not there" in check(file / "below").text
    with monkeypatch.context() as closed:
        closed.setattr(os, "access", lambda *_asked: False)
        told = check(tmp_path)
    assert told.text == f"no GPU can be given out: {tmp_path} can't be written to"
    assert told.fix == f"sudo chown root: {tmp_path} && sudo chmod 1777 {tmp_path}"


def test_a_folder_of_leases_that_can_not_be_looked_at_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_given: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    leasing = Leasing(LeaseLedger(LeaseOwner("ours"), folders=LeaseFolders((tmp_path,))), "ours", lambda: 1.0)
    with monkeypatch.context() as closed:
        closed.setattr(Path, "stat", denied)
        told = leasing.check()
    assert told.text.startswith(f"no GPU can be given out: {tmp_path} can't be looked at (Permission denied)")
    assert told.fix is None


def test_the_doctor_names_who_could_remove_others_leases(tmp_path: Path) -> None:
    folder = tmp_path / "shared leases"
    folder.mkdir()
    folder.chmod(0o777)
    told = check(folder)
    assert (told.state, told.text) == (
        "warning",
        f"{folder} is not sticky, so anybody could remove other users' leases",
    )
    assert told.fix == f"sudo chown root: '{folder}' && sudo chmod 1777 '{folder}'"


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away needs root")
def test_the_doctor_names_the_owner_of_a_folder_that_is_not_roots(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    os.chown(tmp_path, 4101, 4101)
    told = check(tmp_path)
    assert (told.state, told.text) == (
        "warning",
        f"{tmp_path} belongs to uid 4101, who could remove other users' leases",
    )


def test_free_gpus_that_are_kept_for_somebody_are_told_with_whose_job(tmp_path: Path) -> None:
    ours = ledger(tmp_path, "ours")
    lease_gpus(ours, "a1", "train", 1, ours.facts(GPUS, time.time()))
    kept = {f"GPU-{index}": KeptFor("resnet", "ana", time.time(), 0.0) for index in range(2)}
    leasing = Leasing(ours, "ours", lambda: 1.0, kept=lambda: kept)
    infos = leasing.known(sample())
    assert (infos["GPU-0"].state, infos["GPU-0"].label) == ("leased", "train")
    assert infos["GPU-0"].since is not None
    assert infos["GPU-1"].state == "kept"
    assert (infos["GPU-1"].text or "").startswith("kept for ana's job resnet, which has waited since ")


def test_the_instances_of_a_gpu_are_as_broken_as_was_announced_of_it(tmp_path: Path) -> None:
    parts = tuple(MigInstance(f"f{index}", uuid, "1g", index, 0) for index, uuid in enumerate(("MIG-0", None)))
    fault = GpuFault("XID 79: GPU has fallen off the bus", "Restart.")
    leasing = Leasing(ledger(tmp_path, "ours"), "ours", lambda: 1.0, lambda: {"GPU-0": fault})
    cut = tuple(replace(gpu, mig=parts if gpu.index == 0 else ()) for gpu in GPUS)
    facts = leasing.facts(replace(sample(), gpus=cut))
    assert facts is not None
    assert facts.faults == {"GPU-0": fault, "MIG-0": fault}

"""What the desk does with the ledger at each look."""

import os
import time
from pathlib import Path

import pytest

from mlops_desk.desk.leasing import Leasing
from mlops_desk.leases.folders import LeaseFolders
from mlops_desk.leases.ledger import Ledger, Owner
from mlops_desk.records.status import Gpu, GpuState

GPUS = [Gpu(f"GPU-{index}", index, "Test", None, GpuState.OK, processes_known=True) for index in range(2)]


def ledger(folder: Path, name: str) -> Ledger:
    return Ledger(Owner(name), folders=LeaseFolders((folder,)))


def test_each_look_upholds_our_leases(tmp_path: Path) -> None:
    ours = ledger(tmp_path, "ours")
    leasing = Leasing(ours, "ours", lambda: ours.facts(GPUS, time.time()))
    ours.acquire("a1", "train", 1, ours.facts(GPUS, time.time()))
    file = tmp_path / f"mlops-desk-leases-{os.geteuid()}" / "GPU-0.lease"
    file.write_text("garbage")
    info = leasing.known()["GPU-0"]
    assert (info.state, info.attempt) == ("leased", "a1")
    assert "is damaged, and has been written anew" in (info.trouble or "")
    assert ledger(tmp_path, "other").snapshot()["GPU-0"].attempt == "a1"


def test_that_ours_can_not_be_upheld_is_told_with_them_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = ledger(tmp_path, "ours"), ledger(tmp_path, "other")
    leasing = Leasing(ours, "ours", lambda: ours.facts(GPUS, time.time()))
    ours.acquire("a1", "train", 1, ours.facts(GPUS, time.time()))
    others.acquire("b1", "train", 1, ours.facts(GPUS, time.time()))
    with monkeypatch.context() as broken:
        broken.setattr(ours, "_fallen", lambda _found: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        infos = leasing.known()
    assert infos["GPU-0"].trouble == "The lease of a GPU could not be written: Input/output error."
    assert infos["GPU-1"].trouble is None
    assert leasing.known()["GPU-0"].trouble is None

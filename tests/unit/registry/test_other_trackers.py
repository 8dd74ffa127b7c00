"""What can be asked of a kept folder of another tracker: it is read, and nothing is written to it."""

from pathlib import Path

import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.registries import ForeignPlaces, Registries
from mlops_desk.registry.service import RegistryCore


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    data = DataFolder(tmp_path / "desk")
    data.make()
    return RegistryCore(data, Bus(), Loop("test"), lambda: None).registries


@pytest.mark.parametrize("kind", [TrackerKind.TENSORBOARD, TrackerKind.TRACKIO, TrackerKind.WANDB])
def test_runs_of_another_tracker_are_only_read_and_how_they_come_into_mlflow_is_told(
    registries: Registries, kind: TrackerKind
) -> None:
    registries.kept = lambda name: RegistrySource(kind, f"/data/{name}", f"/data/{name}", Path("/data", name))
    with pytest.raises(Refused, match="only read") as caught:
        registries.open("night").delete_run("r")
    assert "import-runs" in (caught.value.hint or "")
    assert isinstance(registries.placing("night"), ForeignPlaces), "their files are looked for without MLflow"

"""A container's end: what stands beside it goes first, and its GPUs are free once it has gone."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.serving import deploy_options
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.revision import Failed, Shelf
from mlops_desk.serving.runtimes.gpus import ReplicaGpus
from tests.unit.serving.runtimes.test_replica_gpus import Leases, card

if TYPE_CHECKING:
    from mlops_desk.engines.engine import Engine


class Noted:
    """An engine and a ledger that note what is asked of them; one that is ``gone`` at some word answers no more."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gone: str | None = None

    def __getattr__(self, word: str) -> Any:
        def ask(name: str, *_more: object) -> None:
            if self.gone == f"{word} {name}":
                raise Unavailable("The engine is away.")
            self.asked.append(f"{word} {name}")

        return ask


def trial(noted: Noted, folder: Path) -> Trial:
    gpus = cast("ReplicaGpus", noted)
    settings = SettingsStore(folder / "settings.json")
    return Trial("desk", Shelf(folder), settings, cast("Engine", noted), threading.Event(), gpus)


def test_an_images_container_ends_before_its_relay_and_the_gpus_are_given_back_last(tmp_path: Path) -> None:
    noted = Noted()
    trial(noted, tmp_path).end("relay")
    beside = deploy_options.beside("relay")
    assert noted.asked == [f"stop {beside}", f"remove {beside}", "stop relay", "remove relay", "release relay"]


@pytest.mark.parametrize("word", ["stop", "remove"])
def test_while_the_engine_is_away_the_gpus_stay_leased(tmp_path: Path, word: str) -> None:
    noted = Noted()
    noted.gone = f"{word} relay"
    trial(noted, tmp_path).end("relay")
    assert "release relay" not in noted.asked


class Starting(Noted):
    """An engine that starts what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.gpus: list[tuple[str, ...]] = []

    def create(self, spec: Any) -> Any:
        self.gpus.append(spec.gpus)
        return SimpleNamespace(name=spec.name)

    def start(self, _name: str) -> Any:
        return SimpleNamespace(pid=7)


def test_a_container_beside_endpoints_has_its_gpus_from_the_ledger_until_it_ends(tmp_path: Path) -> None:
    engine, ledger = Starting(), Leases((card(0), card(1)))
    beside = Trial(
        "desk", Shelf(tmp_path), SettingsStore(tmp_path / "settings.json"), cast("Engine", engine), threading.Event(),
        ReplicaGpus(cast("Any", ledger)),
    )  # fmt: skip
    beside.start_beside("aside", "image", {}, (), "The scoring of the champion", 1)
    beside.start_beside("other", "image", {}, (), "The scoring of the champion", 0)
    assert (engine.gpus, ledger.taken) == ([("GPU-0",), ()], {"aside": ("GPU-0",)})
    beside.end("aside")
    assert ledger.taken == {}
    ledger.shown = ()
    beside.check_gpus(0)
    for ask in (beside.check_gpus, lambda n: beside.start_beside("aside", "image", {}, (), "scoring", n)):
        with pytest.raises(Failed):
            ask(1)
    assert len(engine.gpus) == 2, "nothing is started without them"

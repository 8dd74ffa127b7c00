"""A container's end: what stands beside it goes first, and its GPUs are free once it has gone."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from mlops_desk.base.errors import Unavailable
from mlops_desk.base.settings import SettingsStore
from mlops_desk.serving import plan
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.revision import Shelf

if TYPE_CHECKING:
    from mlops_desk.engines.engine import Engine
    from mlops_desk.serving.runtimes.gpus import ReplicaGpus


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
    beside = plan.beside("relay")
    assert noted.asked == [f"stop {beside}", f"remove {beside}", "stop relay", "remove relay", "release relay"]


@pytest.mark.parametrize("word", ["stop", "remove"])
def test_while_the_engine_is_away_the_gpus_stay_leased(tmp_path: Path, word: str) -> None:
    noted = Noted()
    noted.gone = f"{word} relay"
    trial(noted, tmp_path).end("relay")
    assert "release relay" not in noted.asked

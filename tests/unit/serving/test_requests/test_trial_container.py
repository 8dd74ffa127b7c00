"""What is left of containers beside endpoints: also of those that were killed before there was one."""

import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.serving.test_requests import LABEL, AsideContainers, Silent


@dataclass(frozen=True)
class Spec:
    name: str
    entrypoint: tuple[str, ...] = ()


@dataclass
class Engine:
    """An engine with containers by name; it is away for the first ``away`` looks. It is the trial, too."""

    names: list[str] = field(default_factory=list)
    away: int = 0
    begun: Any = None
    status: str = "exited"

    def containers(self, labels: dict[str, str]) -> list[Any]:
        assert labels == {LABEL: "0a1b2c3d"}
        if self.away:
            self.away -= 1
            raise Unavailable("The engine is away.", "Start it.")
        return [SimpleNamespace(name=name) for name in self.names]

    def end(self, name: str) -> None:
        if name in self.names:
            self.names.remove(name)

    def spec(self, name: str, *_: object) -> Spec:
        return Spec(name)

    def create(self, spec: Spec) -> Any:
        if self.begun is not None:
            self.begun(spec.name)
        return spec

    def start(self, name: str) -> None:
        self.names.append(name)

    def start_beside(self, name: str, *_: object) -> None:
        self.names.append(name)

    def inspect(self, name: str) -> Any:
        if self.away:
            raise Unavailable("The engine is away.", "Start it.")
        return SimpleNamespace(status=self.status)

    def logs(self, name: str, *, tail: int) -> list[str]:
        return ["done"]


class Hasty(threading.Event):
    """An end that never comes, and for which nobody waits."""

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return False


def made(tmp_path: Path, engine: Any) -> AsideContainers:
    return AsideContainers("0a1b2c3d", tmp_path, engine, engine, Hasty())


def test_what_a_killed_agent_left_goes_also_where_there_was_no_container_yet(tmp_path: Path) -> None:
    for name in (
        "mlops-desk-0a1b2c3d-aside-aa",
        "mlops-desk-0a1b2c3d-aside-bb",
        "mlops-desk-ffffffff-aside-cc",
        "kept",
    ):
        (tmp_path / name / "socket").mkdir(parents=True)
    engine = Engine(["mlops-desk-0a1b2c3d-aside-bb", "mlops-desk-0a1b2c3d-traps-r1"])
    made(tmp_path, engine).sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "mlops-desk-ffffffff-aside-cc"]
    assert engine.names == ["mlops-desk-0a1b2c3d-traps-r1"]


def test_what_is_under_way_stays(tmp_path: Path) -> None:
    engine = Engine()
    asides = made(tmp_path, engine)
    seen: list[tuple[str, ...]] = []

    def begun(name: str) -> None:
        asides.sweep()
        seen.append(tuple(path.name for path in tmp_path.iterdir()))
        assert seen[-1] == (name,)

    engine.begun = begun
    work: Any = SimpleNamespace(wait=lambda _seconds: None)
    assert asides.lines("image", (), ("sh",), 5.0, work, lambda _lines: None) == ["done"]
    assert len(seen) == 1
    assert [*tmp_path.iterdir()] == []


def test_an_engine_that_is_away_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "mlops-desk-0a1b2c3d-aside-aa").mkdir()
    made(tmp_path, Engine(away=1)).sweep()
    assert [*tmp_path.iterdir()] == []


def test_a_model_that_is_not_ready_in_time_is_silent_and_an_engine_that_is_away_is_not_the_models_doing() -> None:
    engine = Engine(status="running")
    work: Any = SimpleNamespace(wait=lambda _seconds: None, told=SimpleNamespace(what="The scoring"))
    with tempfile.TemporaryDirectory() as folder:  # pytest's own may be too long for a socket
        asides = made(Path(folder), engine)
        with pytest.raises(Silent, match="not ready within 0 s"), asides.serving("image", Path("/m"), 0.0, work):
            pass
        engine.away = 1
        with pytest.raises(Unavailable, match="away") as raised, asides.serving("image", Path("/m"), 0.0, work):
            pass
        assert not isinstance(raised.value, Silent)
        assert (engine.names, [*Path(folder).iterdir()]) == ([], [])

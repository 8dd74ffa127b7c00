"""The self-test says of everything that is broken what it is, goes on with the rest, and never calls it well."""

import json
from pathlib import Path

import pytest

from mlops_desk import selftest
from mlops_desk.kit.base.process import Finished


def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **checks) -> dict[str, object]:
    monkeypatch.setattr(selftest, "_CHECKS", checks)
    told = selftest.run({"folder": str(tmp_path / "report")})
    assert json.loads((tmp_path / "report" / "selftest.json").read_text()) == told
    return told


def fails(_folder: Path) -> str:
    raise ValueError("the sea is dry" * 1000)


def test_what_fails_is_told_and_the_rest_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = report(tmp_path, monkeypatch, sea=fails, land=lambda _folder: "is there")
    assert told["ok"] is False
    sea, land = told["checks"]
    assert (sea["name"], sea["ok"], len(sea["text"])) == ("sea", False, 1000)
    assert sea["text"].startswith("ValueError: the sea is dry")
    assert (land["name"], land["ok"], land["text"]) == ("land", True, "is there")


def test_all_well_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert report(tmp_path, monkeypatch, land=lambda _folder: "is there")["ok"] is True


def test_everything_an_installation_can_lose_has_a_check() -> None:
    assert set(selftest._CHECKS) == {
        "resources", "databases", "collector", "processes", "nvml binding", "container sdk", "registry store",
        "data files and drift", "window",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["resources", "databases", "collector", "processes", "nvml binding", "container sdk"])
def test_what_is_there_is_well(name: str, tmp_path: Path) -> None:
    assert selftest._CHECKS[name](tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_collector_that_sends_nothing_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "python_command", lambda *_words: ["true"])
    with pytest.raises(ValueError, match="sent nothing"):
        selftest._collector(tmp_path)


def test_a_record_that_comes_back_changed_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops_desk.kit.storage import state

    class Forgetful:
        def __init__(self, _path: Path) -> None:
            self.rules = self

        def put(self, _rule: object) -> None: ...

        def get(self, _name: str) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr(state, "State", Forgetful)
    with pytest.raises(ValueError, match="came back changed"):
        selftest._databases(tmp_path)


def test_a_file_that_differs_from_itself_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "run_worker", lambda *_words: {"verdict": "drift"})
    with pytest.raises(ValueError, match="differs from itself"):
        selftest._drift(tmp_path)


@pytest.mark.parametrize(("said", "told"), [("", "no answer"), ("no module named mlflow", "no module named mlflow")])
def test_a_registry_that_does_not_answer_is_no_success(
    said: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "run_command", lambda *_words: Finished(1, b"", said.encode()))
    with pytest.raises(ValueError, match=told):
        selftest._registry(tmp_path)


@pytest.mark.parametrize(
    ("screen", "platform"),
    [({}, {"QT_QPA_PLATFORM": "offscreen"}), ({"DISPLAY": ":0"}, {}),
     ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "xcb"}, {"QT_QPA_PLATFORM": "xcb"})],
)  # fmt: skip
def test_the_window_is_drawn_without_a_screen_where_there_is_none(
    screen: dict[str, str], platform: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in screen.items():
        monkeypatch.setenv(name, value)
    given = []

    def draw(_worker: str, request: dict[str, str], _seconds: float, environment: dict[str, str]) -> None:
        given.append(environment)
        Path(request["picture"]).write_bytes(b"x" * 2048)

    monkeypatch.setattr(selftest, "run_worker", draw)
    assert "2 KiB" in selftest._window(tmp_path)
    assert given == [platform]


def test_a_machine_whose_processes_nobody_tells_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops_desk.machine.telemetry.processes import process_reader

    def refused(pid: int) -> object:
        raise process_reader.psutil.AccessDenied(pid)

    monkeypatch.setattr(process_reader.psutil, "Process", refused)
    with pytest.raises(ValueError, match="not found among"):
        selftest._processes(tmp_path)

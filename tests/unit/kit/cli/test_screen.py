"""A screen that is named and not there is told in a line; Qt would end the process with its own words."""

import os
import socket
from pathlib import Path

import pytest

from mlops_desk.desk.cli.main import main
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.cli import screen
from mlops_desk.kit.cli.screen import check_screen


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(screen, "_X_FOLDER", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DISPLAY": ":55"},
        {"DISPLAY": "unix:55.0"},
        {"DISPLAY": "127.0.0.1:59531"},
        {"WAYLAND_DISPLAY": "wayland-9"},
        {"WAYLAND_DISPLAY": "wayland-9", "DISPLAY": ":55"},
        {"DISPLAY": ":55", "QT_QPA_PLATFORM": "xcb"},
        {"QT_QPA_PLATFORM": "wayland-egl"},
    ],
)
def test_a_screen_that_is_not_there_is_told(folder: Path, environment: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match="no screen here") as caught:
        check_screen({**environment, "XDG_RUNTIME_DIR": str(folder)})
    assert "mlops-desk status" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("X55", {"DISPLAY": ":55.0"}),
        ("X55", {"DISPLAY": ":55", "WAYLAND_DISPLAY": "gone"}),
        ("wayland-9", {"WAYLAND_DISPLAY": "wayland-9", "DISPLAY": ":44"}),
        ("wayland-9", {"WAYLAND_DISPLAY": "wayland-9", "QT_QPA_PLATFORM": "wayland"}),
    ],
)
def test_one_screen_that_answers_is_enough(folder: Path, name: str, environment: dict[str, str]) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / name))
        server.listen()
        check_screen({**environment, "XDG_RUNTIME_DIR": str(folder)})


def test_a_platform_without_a_screen_needs_none() -> None:
    check_screen({"QT_QPA_PLATFORM": "offscreen"})
    check_screen({"QT_QPA_PLATFORM": "vnc:size=800x600", "DISPLAY": ":55"})


def test_the_program_ends_with_1_and_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY"):
        monkeypatch.delitem(os.environ, name, raising=False)
    monkeypatch.setenv("DISPLAY", ":55")
    assert main(["--data-dir", str(folder)]) == 1
    assert "nothing answers at DISPLAY=:55" in capsys.readouterr().err

"""Draws the window once, without an agent, and saves its picture: what the self-test looks at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEventLoop, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from mlops_desk.desk.window.app import Program
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.errors import DeskError, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import UiOptions

_SETTLE_MS = 600  # chosen: what opens after the first paint has opened
_WIDTH, _HEIGHT = 1280, 800  # pixels: as the window opens


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Save the window as ``picture``; returns its size and the platform it was drawn on."""
    # The person's own window keeps its size and page: this one remembers beside its picture.
    folder = str(Path(request["picture"]).parent)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
    application = QApplication(["mlops-desk"])
    program = Program(application, _no_agent, UiOptions(AgentAddress.of_folder(Path("/nowhere"))))
    program.window.resize(_WIDTH, _HEIGHT)
    program.window.show_page("overview")
    program.window.show()
    waiting = QEventLoop()
    QTimer.singleShot(_SETTLE_MS, waiting.quit)
    waiting.exec()
    picture = program.window.grab()
    program.stop()
    if picture.isNull() or not picture.save(request["picture"]):
        raise DeskError("The window could not be drawn.")
    return {"width": picture.width(), "height": picture.height(), "platform": application.platformName()}


def _no_agent(_given_up: Callable[[], bool]) -> ClientLike:
    raise Unavailable("There is no agent in the self-test.")


if __name__ == "__main__":
    serve_one(run)

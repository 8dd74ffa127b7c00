"""Take pictures of the walk of README's first model, in the real window on a real agent and engine.

    python tests/screens/walk.py OUT [--size WxH]

Starts an agent on a folder of its own, goes the steps of `tests/end2end/first_model.py` (two minutes and more), and
leaves a picture of the page of each in OUT, dark and light. The window has an Xvfb of its own, or the display that is
there with `--here`.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
SETTLE_SECONDS = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="1400x900")
    parser.add_argument("--here", action="store_true", help="on the display that is there")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext() if options.here else _screen(), tempfile.TemporaryDirectory() as folder:
        os.environ.update({"QT_QPA_PLATFORM": "xcb", "XDG_CONFIG_HOME": f"{folder}/config"})
        return _walk(Path(folder), options)


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """Give the window a display of its own."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "2700x1800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        with os.fdopen(reader) as answer:
            os.environ["DISPLAY"] = f":{answer.readline().strip()}"
        try:
            yield
        finally:
            server.terminate()


def _walk(folder: Path, options: argparse.Namespace) -> int:
    from PySide6.QtWidgets import QApplication

    from mlops_desk.desk.window.app import Program
    from mlops_desk.kit.api.client import connect
    from mlops_desk.kit.base.disk.agent_address import AgentAddress
    from mlops_desk.kit.window.live.context import UiOptions
    from tests.end2end.desk import Desk
    from tests.end2end.first_model import SETTINGS, Walk
    from tests.images import python_image
    from tests.wheels import MODEL_NEEDS, SERVING_NEEDS, closure, kept_wheelhouse

    desk = Desk(folder / "data")
    serving = {
        "serving.base_image": python_image(with_pip=True), "serving.wheelhouse": str(kept_wheelhouse(SERVING_NEEDS)),
    }  # fmt: skip
    for key, value in {**SETTINGS, **serving}.items():
        desk.json("settings", "set", key, value)
    address = AgentAddress.of_folder(desk.folder)
    application = QApplication(["mlops-desk"])
    program = Program(application, lambda given_up: connect(address, given_up=given_up), UiOptions(address))
    program.start()
    program.window.resize(*(int(part) for part in options.size.split("x")))
    (folder / "project").mkdir()
    steps = Walk(desk, folder / "project", python_image(closure(MODEL_NEEDS))).steps()
    try:
        while (step := _next(application, steps)) is not None:
            name, address_of_page = step
            place, _, thing = address_of_page.partition("/")
            program.window.open_thing(place, thing)
            _take(application, program, options.out, name)
            print(name, flush=True)
    finally:
        program.stop()
        for endpoint in desk.json("endpoints", "list"):
            desk.json("endpoints", "remove", endpoint["name"])
        desk.stop()
    return 0


def _next(application: Any, steps: Iterator[tuple[str, str]]) -> tuple[str, str] | None:
    """Go a step while the window lives; None after the last."""
    came: list[tuple[str, str] | None] = []
    failed: list[BaseException] = []

    def go() -> None:
        try:
            came.append(next(steps, None))
        except BaseException as error:  # noqa: BLE001 - it is raised below, in the thread that asked
            failed.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    while thread.is_alive():
        _spin(application, 0.1)
    if failed:
        raise failed[0]
    return came[0]


def _take(application: Any, program: Any, out: Path, name: str) -> None:
    from mlops_desk.kit.window.look import theme

    _spin(application, SETTLE_SECONDS)
    for look in ("dark", "light"):
        theme.apply(application, dark=look == "dark")
        _spin(application, 0.5)
        assert program.window.grab().save(str(out / f"{name}-{look}.png"))


def _spin(application: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        application.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())

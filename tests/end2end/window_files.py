"""A real window that shows a version in each of its tabs, and each of its files, and ends.

    python tests/end2end/window_files.py FOLDER MODEL VERSION

Prints, as JSON, which files it has shown.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PySide6.QtWidgets import QApplication

from mlops_desk.desk.window.app import Program
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.window.live.context import UiOptions

TABS = ("facts", "lineage", "history", "files")
SECONDS = 60.0


def until(application: QApplication, is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be so"
        application.processEvents()
        time.sleep(0.01)


def main() -> None:
    folder, model, version = sys.argv[1:]
    address = AgentAddress.of_folder(Path(folder))
    application = QApplication(["mlops-desk"])
    program = Program(application, lambda given_up: connect(address, given_up=given_up), UiOptions(address))
    program.start()
    until(application, lambda: program.store.status is not None)
    program.window.open_thing("models", f"{model}/{version}")
    page = program.window.page()
    until(application, lambda: getattr(page.detail, "hit", None) is not None)
    for tab in TABS:
        page.detail.tabs.choose(tab)
        application.processEvents()
    files = page.detail.view("files").pane
    until(application, lambda: files.tree.topLevelItemCount() > 1)
    shown = []
    for place in range(files.tree.topLevelItemCount()):
        item = files.tree.topLevelItem(place)
        files.tree.setCurrentItem(item)
        until(application, lambda: not files.preview._soon.isActive() and files.preview._task is None)
        shown.append(item.text(0))
    program.window.open_thing("runs", None)
    until(application, lambda: program.window.page().table.model().rowCount() > 0)
    print(json.dumps(shown), flush=True)
    program.stop()


if __name__ == "__main__":
    main()

"""Print what an assistive tool finds on each page: role, name, and what can have the focus.

    python tests/screens/tree.py [PAGE ...] [--all]

The window runs without a screen, on the scripted double; ``--all`` names layout and plain texts too.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTLE_SECONDS = 1.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ui")]
    from accessible import walk
    from doubles import Double
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from mlops_desk.desk.window.app import Program
    from mlops_desk.desk.window.catalogue import PAGES
    from mlops_desk.kit.base.disk.agent_address import AgentAddress
    from mlops_desk.kit.window.live.context import UiOptions

    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, tempfile.mkdtemp(prefix="desk-tree-"))
    application = QApplication(["mlops-desk"])
    program = Program(application, Double().connect, UiOptions(AgentAddress.parse("/nowhere")))
    program.start()
    _spin(application)
    for spec in PAGES:
        if options.pages and spec.id not in options.pages:
            continue
        program.window.go_to(spec.id)
        _spin(application)
        print(f"== {spec.title}")
        for one in walk(program.window):
            if options.all or one.focusable or one.role.name not in {"Client", "StaticText"}:
                print(one)
    program.stop()
    return 0


def _spin(application) -> None:
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        application.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())

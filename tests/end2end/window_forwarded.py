"""A real window at an address that writes down what it opens and starts: WINDOW ADDRESS FOLDER.

Prints a line of JSON when numbers are there, and one when the connection is lost; ends itself then. ``opened`` are files
below FOLDER, which belongs to the agent; ``started`` are programs.
"""

import json
import os
import sys

OPENED: list[str] = []
STARTED: list[str] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"open", "os.listdir", "os.scandir"} and str(arguments[0]).startswith(sys.argv[2]):
        OPENED.append(str(arguments[0]))
    if event in {"subprocess.Popen", "os.posix_spawn", "os.exec"}:
        STARTED.append(str(arguments[0]))


sys.addaudithook(_hear)
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from mlops_desk.desk.cli.main import main
from mlops_desk.desk.window import app


class Told(app.Program):
    said = 0

    def start(self) -> None:
        super().start()
        self.context.changed.connect(self._look)

    def _look(self, _topics: object) -> None:
        state, status = self.store.connection.state, self.store.status
        if self.said == 0 and state == "live" and status is not None:
            self.said = 1
            self._say(gpus=len(status.gpus), pid=status.agent.pid)
        elif self.said == 1 and state == "lost":
            self.said = 2
            self._say(button=self.window.bottom._start.text())
            self.end()

    def _say(self, **more: object) -> None:
        print(json.dumps({"opened": OPENED, "started": STARTED, **more}), flush=True)


if __name__ == "__main__":
    app.Program = Told  # type: ignore[misc]  # the program makes what is named so
    sys.exit(main(["--address", sys.argv[1]]))

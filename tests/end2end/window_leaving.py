"""A real window that is quit while three answers are still to come: python window_leaving.py FOLDER OUT TICKET…

It asks for a replay, a comparison and an export by the three tickets, and for lines that never end; leaves once the
agent is at all of them, and prints as JSON how many threads waited then and which are left once the window is gone.
"""

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

from mlops_desk.desk.cli.main import main
from mlops_desk.desk.window import app
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.verbs.desk import ClientLike

FOLDER, OUT, REPLAY, COMPARISON, EXPORT = sys.argv[1:]


def questions(desk: ClientLike) -> list[Callable[[], Any]]:
    name = next(
        one.name for one in desk.endpoints.list() if one.replicas and len(desk.endpoints.requests(one.name)) > 2
    )
    endpoint = desk.endpoints.show(name)
    model = f"{endpoint.model.name}@{endpoint.model.alias}" if endpoint.model.alias else endpoint.model.name
    return [
        lambda: desk.endpoints.replay(name, revision=endpoint.revision, rate=0.5, ticket=REPLAY),
        lambda: desk.endpoints.compare(model, threads="1,2,4,8", ticket=COMPARISON),
        lambda: desk.endpoints.export(name, OUT, format="compose", ticket=EXPORT),
    ]


def waiting() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("window-"))


class Leaving(app.Program):
    begun = False

    def start(self) -> None:
        super().start()
        self.context.changed.connect(self._look)

    def _look(self, _topics: object) -> None:
        if not self.begun and self.store.connection.state == "live":
            self.begun = True
            self.context.ask("endpoints", questions, self._ask, self._failed)

    def _ask(self, calls: list[Callable[[], Any]]) -> None:
        for number, call in enumerate(calls):
            self.context.ask(f"long {number}", lambda _desk, call=call: call(), self._failed, self._failed)
        self.context.ask("progress", self._are_begun, lambda _told: self._leave(), self._failed)

    @staticmethod
    def _are_begun(desk: ClientLike) -> None:
        for ticket in (REPLAY, COMPARISON, EXPORT):
            while True:
                try:
                    desk.endpoints.progress(ticket)
                    break
                except NotFound:
                    threading.Event().wait(0.05)

    def _leave(self) -> None:
        print(json.dumps({"waited": [name for name in waiting() if "long" in name]}), flush=True)
        self.end()

    def _failed(self, what: object) -> None:
        print(json.dumps({"failed": str(what)}), flush=True)
        self.end()


if __name__ == "__main__":
    app.Program = Leaving  # type: ignore[misc]  # the program makes what is named so
    code = main(["--data-dir", FOLDER])
    print(json.dumps({"left": waiting()}), flush=True)
    sys.exit(code)

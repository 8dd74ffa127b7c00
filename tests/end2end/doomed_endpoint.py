"""One endpoint's agent on the real engine, in a process that somebody kills in the middle of a verb.

    python -m tests.end2end.doomed_endpoint ROOT IMAGE MODEL OUT VERB

The endpoint is deployed unless it is there. ``VERB`` is replay, export or compare; "look" tells as JSON what there is
once the agent has swept up, "remove" takes the endpoint away. Prints "begun" before the verb and "done" after it.
"""

import json
import shutil
import sys
import time
from pathlib import Path

import httpx

from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.service import EndpointsService
from mlops_desk.serving.test_requests import LABEL

NAME = "front"
REQUESTS = 40
_SWEPT_SECONDS = 120.0


class DoomedEndpoint:
    """The service, until the process ends however it ends."""

    def __init__(self, root: Path, image: str, model: Path, out: Path) -> None:
        self.folder, self.out = DataFolder(root), out
        self.folder.make()
        self.loop, self.engine, self.state = Loop("test"), DockerEngine(), State(self.folder.state_database)
        version = ModelVersion("net", "3", "run-1", "somewhere", "READY")
        self.service = EndpointsService(
            self.folder, self.state, Bus(), self.loop, SettingsStore(self.folder.settings), self.engine,
            lambda _text: version, lambda _version, to: shutil.copytree(model, to, dirs_exist_ok=True),
            find_trained=lambda _version: (self.engine.image(image).id, "job-1"),
        )  # fmt: skip
        self.service.start()
        self.body = (model / "serving_input_example.json").read_bytes()

    def be_up(self) -> None:
        """Deploy the endpoint and have it log some requests."""
        if any(one.name == NAME for one in self.service.list()):
            return
        made = self.service.deploy("net/3", NAME, open=True)
        assert made.state == "live", made.reason
        for _ in range(REQUESTS):
            self.ask()

    def ask(self) -> int:
        url = self.service.show(NAME).url or ""
        headers = {"content-type": "application/json"}
        return httpx.post(url, content=self.body, headers=headers, trust_env=False, timeout=120).status_code

    def act(self, verb: str) -> None:
        if verb == "replay":
            found = self.service.replay(NAME, revision=1, limit=REQUESTS, rate=20.0)
            assert (found.requests, found.different, found.errors) == (REQUESTS, 0, {}), found
        elif verb == "export":
            assert self.service.export(NAME, str(self.out), format="bundle").files
        elif verb == "compare":
            assert self.service.compare("net/3", variants="float16", threads="1").variants

    def look(self) -> dict[str, object]:
        """Return what is left over once the sweeps are done, and how the endpoint stands."""
        deadline = time.monotonic() + _SWEPT_SECONDS
        while any((left := self._left()).values()) and time.monotonic() < deadline:
            time.sleep(0.1)
        shown = self.service.show(NAME)
        return {"left": left, "state": str(shown.state), "revision": shown.revision, "answer": self.ask()}

    def _left(self) -> dict[str, list[str]]:
        wanted = {replica.container for replica in self.service.show(NAME).replicas}
        places = self.folder.endpoints
        return {
            "asides": [one.name for one in self.engine.containers({LABEL: self.folder.instance})],
            "others": [one.name for one in self.engine.containers({"io.mlops-desk.instance": self.folder.instance})
                       if one.name not in wanted],
            "parts": [path.name for path in self.out.parent.iterdir() if path != self.out],
            "notes": [path.name for path in (places / "_exports").glob("*.part")],
            "sockets": [path.name for path in (places / "_asides").glob("*")],
            "variants": [path.name for path in (places / "_variants" / "revisions").glob("*")],
        }  # fmt: skip


def main() -> None:
    root, image, model, out, verb = sys.argv[1:6]
    doomed = DoomedEndpoint(Path(root), image, Path(model), Path(out))
    doomed.be_up()
    if verb == "look":
        print(json.dumps(doomed.look()))
    elif verb == "remove":
        doomed.service.remove(NAME)
        doomed.service.end_gateway()
    else:
        print("begun", flush=True)
        doomed.act(verb)
        print("done", flush=True)
    doomed.loop.stop(3)
    doomed.service.close()
    doomed.state.close()


if __name__ == "__main__":
    main()

"""A tracking server as the agent starts it, but for guard and wall, and the trap that a job once laid for it."""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from mlops_desk.kit.base.process import start_detached
from mlops_desk.registry.server.files import ServerFiles, end_process

# The server with the guard's and the store's own refusals taken away: what is left is the wall.
NO_GUARD = """
import sys
from mlops_desk.registry.server import artifacts, guard, permissions
guard.Sources.refusal = lambda *_: None
permissions.Permits.refusal = lambda *_: None
artifacts.keep_to = lambda folder: None
from mlops_desk.registry.server.process import main
sys.exit(main())
"""
GUARD = "import sys; from mlops_desk.registry.server.process import main; sys.exit(main())"


class Served:
    """A tracking server of a data folder, started as the agent starts it but for the ``program`` and the wall."""

    def __init__(self, root, program, wall, owner=None):
        self.root = root
        self.ledger = ServerFiles(root / "mlflow")
        self.ledger.make()
        self.log = root / "tracking.log"
        words = ["--folder", str(self.ledger.folder), *(["--wall", wall] if wall else [])]
        start_detached([sys.executable, "-c", program, *words], self.log)
        self.wait()
        (root / "state.db").write_text("the desk's own")
        self.owner = owner or self.ledger.token()

    def wait(self):
        deadline = time.monotonic() + 240
        while (entry := self.ledger.read()) is None or entry.state != "running":
            assert entry is None or entry.state == "starting", entry
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        self.uri = f"http://127.0.0.1:{entry.port}"
        return entry

    def ask(self, method, path, fields=None, token=None):
        headers = {"Authorization": f"Bearer {token or self.owner}", "Content-Type": "application/json"}
        body = fields if isinstance(fields, bytes) else None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(self.uri + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def call(self, method, call, fields=None, token=None):
        status, text = self.ask(method, f"/api/2.0/mlflow/{call}", fields, token)
        return status, (json.loads(text) if status == 200 and text else text.decode())

    def run(self, experiment="0", token=None):
        status, answer = self.call("POST", "runs/create", {"experiment_id": experiment}, token)
        assert status == 200, answer
        return answer["run"]["info"]

    def close(self):
        entry = self.ledger.read()
        end_process(entry.keeper_pid, entry.keeper_ticks, 60.0)


def trap(served, folder):
    """Do what a job did to read the desk's user's files: a run whose files lie where the job can put a link."""
    (folder / "etc").symlink_to("/etc")
    status, answer = served.call(
        "POST", "experiments/create", {"name": folder.name, "artifact_location": folder.as_uri()}
    )
    if status != 200:
        return status, answer
    run = served.run(answer["experiment_id"])
    (folder / run["run_id"]).mkdir()
    (folder / run["run_id"] / "artifacts").symlink_to("/etc")
    return served.ask("GET", f"/get-artifact?run_id={run['run_id']}&path=passwd")

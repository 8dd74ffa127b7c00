"""A store as the guard reads it, in MLflow's own tables as far as they matter, and requests put before the guard."""

import asyncio
import json
import sqlite3
from contextlib import closing

from mlops_desk.registry.server.facts import StoreFacts
from mlops_desk.registry.server.guard import Guard, Keys
from mlops_desk.registry.server.quotas import LoggedAmounts, LogRefusals, StoredAmounts
from mlops_desk.registry.server.tickets import Grant, Tickets

OWNER = "right-token"
HOST = "127.0.0.1:5000"
HOSTS = [HOST, "localhost:5000", "172.17.0.1:5000"]

OWN, CHILD, GRANDCHILD, OTHER, OUTSIDE = "a" * 32, "b" * 32, "c" * 32, "d" * 32, "e" * 32
OWN_MODEL, OTHER_MODEL, OUTSIDE_MODEL = "m-own", "m-other", "m-outside"

UPLOAD = "/api/2.0/mlflow-artifacts/artifacts/"

TABLES = """
CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, artifact_uri TEXT);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE logged_models (model_id TEXT PRIMARY KEY, artifact_location TEXT, source_run_id TEXT);
CREATE TABLE model_versions (name TEXT, version INTEGER, source TEXT, storage_location TEXT, run_id TEXT);
CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT);
CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN);
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE logged_model_params (model_id TEXT, param_key TEXT, param_value TEXT);
CREATE TABLE logged_model_tags (model_id TEXT, tag_key TEXT, tag_value TEXT);
CREATE TABLE datasets (dataset_uuid TEXT, dataset_schema TEXT, dataset_profile TEXT);
CREATE TABLE inputs (source_id TEXT, destination_id TEXT);
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, artifact_location TEXT);
"""


def make_store(path):
    """Make a store: a job's run with a child and a grandchild, another's run, and one whose files lie outside."""
    with closing(sqlite3.connect(path)) as store, store:
        store.executescript(TABLES)
        homes = [(run, f"mlflow-artifacts:/1/{run}/artifacts") for run in (OWN, CHILD, GRANDCHILD, OTHER)]
        store.executemany("INSERT INTO runs VALUES (?, ?)", [*homes, (OUTSIDE, "file:///home/me")])
        store.executemany(
            "INSERT INTO tags VALUES ('mlflow.parentRunId', ?, ?)", [(OWN, CHILD), (CHILD, GRANDCHILD), (OWN, OUTSIDE)]
        )
        store.executemany(
            "INSERT INTO logged_models VALUES (?, ?, ?)",
            [
                (OWN_MODEL, f"mlflow-artifacts:/1/models/{OWN_MODEL}/artifacts", CHILD),
                (OTHER_MODEL, f"mlflow-artifacts:/1/models/{OTHER_MODEL}/artifacts", OTHER),
                (OUTSIDE_MODEL, "file:///home/me/model", OWN),
            ],
        )
        store.executemany(
            "INSERT INTO model_versions VALUES (?, ?, ?, ?, ?)",
            [
                ("churn", 1, f"runs:/{OTHER}/model", f"mlflow-artifacts:/1/{OTHER}/artifacts/model", OTHER),
                ("churn", 2, f"models:/{OWN_MODEL}", None, OWN),
                ("bad", 1, "file:///etc", None, OTHER),
                ("loop", 1, "models:/loop/1", None, OTHER),
                ("fraud", 1, f"runs:/{OTHER}/model", None, OTHER),
            ],
        )
        store.executemany("INSERT INTO registered_model_aliases VALUES ('champion', 1, ?)", [("fraud",), ("churn",)])
        store.executemany(
            "INSERT INTO experiments VALUES (?, ?)", [(1, "mlflow-artifacts:/1"), (2, "file:///home/me/mlruns")]
        )


class Door:
    """A guard with an application behind it that says what reached it."""

    def __init__(self, folder):
        make_store(folder / "mlflow.db")
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir()
        self.tickets = Tickets(folder / "tickets")
        self.ticket = self.tickets.issue(Grant(OWN, "j-a1"))
        self.reached = []
        self.refusals = LogRefusals(folder / "refused")
        self.amounts = LoggedAmounts(StoredAmounts(folder / "mlflow.db"), self.refusals.note)
        facts = StoreFacts(folder / "mlflow.db")
        self._guard = Guard(self._app, Keys(OWNER, self.tickets), HOSTS, facts, self.artifacts, self.amounts)

    async def _app(self, scope, receive, send):
        body, message = b"", {}
        if scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
            while (message := await receive())["type"] == "http.request":
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
        self.reached.append((scope, body))
        if scope["path"].startswith(UPLOAD) and message.get("type") == "http.request":
            file = self.artifacts / scope["path"].removeprefix(UPLOAD)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask(self, method, path, body=b"", *, token=None, chunks=1, **headers):
        """Return status and text of the answer to a job (or to the holder of ``token``)."""
        parts = [{"type": "http.request", "body": body, "more_body": False}]
        if chunks > 1:
            size = max(1, len(body) // chunks)
            pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
            parts = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
            parts.append({"type": "http.request", "body": b"", "more_body": False})
        sent = []

        async def receive():
            return parts.pop(0) if parts else {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        given = {"host": HOST, "authorization": f"Bearer {self.ticket if token is None else token}", **headers}
        listed = [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value is not None]
        scope = {"type": "http", "method": method, "path": path, "headers": listed, "query_string": b""}
        asyncio.run(self._guard(scope, receive, send))
        text = b"".join(part.get("body", b"") for part in sent[1:]).decode()
        self.answer = (dict(sent[0]["headers"]), text)
        return sent[0]["status"], json.loads(text)["message"] if sent[0]["status"] >= 400 else text

    def call(self, method, call, fields=None, *, token=None, prefix="/api/2.0/mlflow/"):
        """Ask for a call of MLflow's API with these fields."""
        body = b"" if fields is None else json.dumps(fields).encode()
        return self.ask(method, prefix + call, body, token=token)

    @property
    def fields(self):
        """What the application was given to read last."""
        return json.loads(self.reached[-1][1])

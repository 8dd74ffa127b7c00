"""Hostile requests that a job can make of the tracking server: none reads outside, changes another's work, or hangs it.

Each try is a request with a job's token, made up by chance of calls, spellings of places, ids and bodies. It must be
answered, not with an error of the server's own, without a word of what lies outside the store; afterwards another's
run, model, version, alias and files are as they were.
"""

import base64
import hashlib
import http.client
import json
import random
import sqlite3
import sys
import time
import urllib.parse
from contextlib import closing
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.process import start_detached
from mlops_desk.registry.server.files import ServerFiles, end_process
from mlops_desk.registry.server.tickets import Grant, Tickets

TRIES = 2000

SECRET = "a-secret-that-no-job-may-read"
_ANSWER_SECONDS = 30
_PREFIXES = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/")
_FILES = ("/api/2.0/mlflow-artifacts/artifacts/", "/ajax-api/2.0/mlflow-artifacts/artifacts/")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_CALLS = (
    "artifacts/list", "artifacts/presigned-download-url", "artifacts/presigned-upload-url", "experiments/create",
    "experiments/delete", "experiments/delete-experiment-tag", "experiments/get", "experiments/get-by-name",
    "experiments/restore", "experiments/search", "experiments/set-experiment-tag", "experiments/update",
    "get-online-trace-details", "logged-models", "logged-models/{model}", "logged-models/{model}/artifacts/directories",
    "logged-models/{model}/params", "logged-models/{model}/tags", "logged-models/{model}/tags/k", "logged-models/search",
    "metrics/get-history", "metrics/get-history-bulk-interval", "model-versions/create", "model-versions/delete",
    "model-versions/delete-tag", "model-versions/get", "model-versions/get-download-uri", "model-versions/search",
    "model-versions/set-tag", "model-versions/transition-stage", "model-versions/update", "registered-models/alias",
    "registered-models/create", "registered-models/delete", "registered-models/delete-tag", "registered-models/get",
    "registered-models/get-latest-versions", "registered-models/rename", "registered-models/search",
    "registered-models/set-tag", "registered-models/update", "runs/create", "runs/delete", "runs/delete-tag", "runs/get",
    "runs/log-batch", "runs/log-inputs", "runs/log-metric", "runs/log-model", "runs/log-parameter", "runs/outputs",
    "runs/restore", "runs/search", "runs/set-tag", "runs/update", "traces", "traces/tr-1", "traces/tr-1/tags",
    "traces/delete-traces", "traces/search", "datasets/create", "datasets/d-1", "webhooks/create", "webhooks/list",
    "gateway-proxy", "jobs/create", "scorers/register", "get-trace-artifact", "server-info",
)  # fmt: skip

_world: dict[str, Any] = {}


def prepare(folder: Path) -> None:
    """Start a server with another's run, model, alias and file, and give the job a run and a ticket of its own."""
    (folder / "state.db").write_text(SECRET)
    (folder / "state.db").chmod(0o600)
    ledger = ServerFiles(folder / "mlflow")
    ledger.make()
    words = ["--folder", str(ledger.folder)]
    start_detached([sys.executable, "-m", "mlops_desk.registry.server.process", *words], folder / "tracking.log")
    deadline = time.monotonic() + 120
    while (entry := ledger.read()) is None or entry.state != "running":
        if time.monotonic() > deadline:
            raise TimeoutError((folder / "tracking.log").read_text())
        time.sleep(0.1)
    _world.update(folder=folder, ledger=ledger, port=entry.port, owner=ledger.token())
    other, own = (_made("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"] for _ in range(2))
    _world.update(other=other, own=own, ticket=Tickets(ledger.tickets_folder).issue(Grant(own, "job-a1")))
    _made("runs/log-parameter", {"run_id": other, "key": "lr", "value": "0.1"})
    _made("runs/log-metric", {"run_id": other, "key": "auc", "value": 0.9, "timestamp": 1})
    model = {"experiment_id": "0", "name": "m", "source_run_id": other}
    _world["model"] = _made("logged-models", model)["model"]["info"]["model_id"]
    _send("PUT", f"{_FILES[0]}0/{other}/artifacts/model/MLmodel", b"flavors: {}", _world["owner"])
    _made("registered-models/create", {"name": "churn"})
    version = {"name": "churn", "source": f"runs:/{other}/model", "run_id": other}
    _made("model-versions/create", version)
    _made("registered-models/alias", {"name": "churn", "alias": "champion", "version": "1"})
    _world["before"] = _others_work()


def finish() -> None:
    entry = _world["ledger"].read()
    end_process(entry.keeper_pid, entry.keeper_ticks, 10.0)


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    """One hostile request, or a few that belong together."""
    kind = rng.choice((_place, _place, _other, _other, _any_call, _any_call, _file, _read, _odd_body, _trap))
    asked, answers = kind(rng, folder)
    for status, body in answers:
        if status >= 500 and status != 501:
            return f"{asked} was answered with {status}: {body[:300]!r}"
        if SECRET.encode() in body or b"root:x:" in body:
            return f"{asked} gave away what lies outside: {body[:300]!r}"
    return _changed(asked)


def _changed(asked: str) -> str | None:
    now = _others_work()
    before = _world["before"]
    if now != before:
        _world["before"] = now
        return f"{asked} changed another's work: {[part for part in now if now[part] != before[part]]}"
    with _store() as store:
        for table, column in (
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("experiments", "artifact_location"),
        ):
            query = f"SELECT count(*) FROM {table} WHERE {column} NOT LIKE 'mlflow-artifacts:/%'"
            if store.execute(query).fetchone()[0]:
                return f"{asked} left a location outside in {table}"
    return None


def _others_work() -> dict[str, Any]:
    other = _world["other"]
    with _store() as store:
        found: dict[str, Any] = {
            table: sorted(map(str, store.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (other,))))
            for table in ("runs", "tags", "params", "metrics", "latest_metrics")
        }
        found["model"] = store.execute("SELECT * FROM logged_models WHERE model_id = ?", (_world["model"],)).fetchall()
        found["aliases"] = store.execute("SELECT * FROM registered_model_aliases").fetchall()
        found["versions"] = store.execute(
            "SELECT version, source, run_id, current_stage, description FROM model_versions WHERE run_id = ?", (other,)
        ).fetchall()
        found["churn"] = store.execute(
            "SELECT name, description FROM registered_models WHERE name = 'churn'"
        ).fetchall()
        query = "SELECT name, lifecycle_stage FROM experiments WHERE experiment_id = 0"
        found["experiment"] = store.execute(query).fetchall()
    folder = _world["ledger"].artifacts / "0" / other
    found["files"] = sorted(
        (str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in folder.rglob("*") if path.is_file()
    )
    return found


def _store() -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{_world['ledger'].store}?mode=ro", uri=True, timeout=20))


# -- requests ------------------------------------------------------------------------------------

Answer = tuple[int, bytes]
Tried = tuple[str, list[Answer]]


def _send(method: str, path: str, body: bytes = b"", token: str | None = None, **headers: str) -> Answer:
    """Send a request with its path as it is written, and take its answer in."""
    connection = http.client.HTTPConnection("127.0.0.1", _world["port"], timeout=_ANSWER_SECONDS)
    given = {"Authorization": f"Bearer {token or _world['ticket']}", "Content-Type": "application/json", **headers}
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {**given, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20)
    finally:
        connection.close()


def _made(call: str, fields: dict[str, Any]) -> Any:
    status, body = _send("POST", f"{_PREFIXES[0]}{call}", json.dumps(fields).encode(), _world["owner"])
    if status != 200:
        raise AssertionError(f"{call}: {status} {body!r}")
    return json.loads(body) if body else None


def _ask(rng: random.Random, method: str, call: str, fields: dict[str, Any]) -> tuple[str, Answer]:
    """Ask for a call by one of its paths, its fields in one of the ways to put them."""
    path, body = rng.choice(_PREFIXES) + call, json.dumps(fields).encode()
    way = rng.randrange(5)
    if way == 0:
        body = json.dumps({_camel(name): value for name, value in fields.items()}).encode()
    elif way == 1:
        body = json.dumps(body.decode()).encode()
    elif method == "GET":
        path, body = f"{path}?{urllib.parse.urlencode(fields, doseq=True)}", b""
    return f"{method} {path} {fields}", _send(method, path, body)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _outside(rng: random.Random) -> str:
    """Spell a place outside the store."""
    folder = _world["folder"]
    place = rng.choice((str(folder), "/etc", "/proc/self", str(Path.home()), "../../..", f"{folder}/mlflow-access"))
    up = rng.choice(("..", "%2e%2e", "%252e%252e", "%25252e.", ".%2e"))
    slash = rng.choice(("/", "%2f", "\\", "%5c", "//", "%252f"))
    return rng.choice(
        (
            f"file://{place}", f"file:{place}", f"FILE://{place}", f"file://localhost{place}", place, f"file:///{up}{slash}etc",
            f"mlflow-artifacts:/{up}{slash}{up}{slash}", f"mlflow-artifacts://127.0.0.1:1/{place}",
            f"mlflow-artifacts:/0{slash}{up}{slash}{up}{slash}{up}", f"http://127.0.0.1:{_world['port']}{place}",
            f"{place}\0", f"mlflow-artifacts:/a%00{slash}{up}", f"runs:/{_world['own']}{slash}{up}{slash}{up}",
            f"runs:/{_world['other']}/model", f"models:/churn{slash}{up}", "models:/churn@champion", f"models:/{_world['model']}",
            f"ftp://127.0.0.1:1{place}", f"s3://bucket{place}", f"hdfs://127.0.0.1:1{place}", f"dbfs:{place}",
            f"sftp://127.0.0.1:1{place}", f"file:.{slash}{up}", "", ".", "~",
        )
    )  # fmt: skip


def _ids(rng: random.Random) -> dict[str, Any]:
    """Name another's things, mixed with one's own."""
    run = rng.choice((_world["other"], _world["other"], _world["own"], "none", f"{_world['other']}\0", ["x"], 1))
    fields: dict[str, Any] = {rng.choice(("run_id", "run_uuid", "runId")): run}
    if rng.random() < 0.5:
        fields |= {"name": "churn", "version": rng.choice(("1", 1, "2", "latest"))}
    if rng.random() < 0.5:
        fields |= {
            "key": rng.choice(("auc", "mlflow.parentRunId", "mlops_desk.job", "\x1b[31m")),
            "value": rng.choice(("x", 1.0, _world["own"])),
        }
    if rng.random() < 0.3:
        fields |= {
            "experiment_id": "0",
            "alias": "champion",
            "stage": "Production",
            "new_name": "x",
            "status": "FAILED",
        }
    if rng.random() < 0.2:
        fields |= {"run_id": _world["own"], "run_uuid": _world["other"]}
    return fields


def _place(rng: random.Random, _folder: Path) -> Tried:
    """Name a place outside where a place can be named."""
    place, name = _outside(rng), f"x{rng.getrandbits(40):x}"
    call, fields = rng.choice(
        (
            ("experiments/create", {"name": name, "artifact_location": place}),
            ("model-versions/create", {"name": "churn", "source": place}),
            ("model-versions/create", {"name": "churn", "source": place, "run_id": rng.choice((_world["own"], _world["other"]))}),
            ("model-versions/create", {"name": "churn", "source": place, "model_id": _world["model"]}),
            ("traces", {"trace": {"trace_info": {"trace_id": name, "tags": {"mlflow.artifactLocation": place}}}}),
            ("runs/create", {"experiment_id": "0", "artifact_uri": place, "tags": [{"key": "mlflow.parentRunId", "value": _world["other"]}]}),
            ("logged-models", {"experiment_id": "0", "name": name, "artifact_location": place, "source_run_id": _world["other"]}),
            ("registered-models/rename", {"name": "churn", "new_name": place}),
        )
    )  # fmt: skip
    asked, answer = _ask(rng, "POST", call, fields)
    return asked, [answer]


def _other(rng: random.Random, _folder: Path) -> Tried:
    """Change or delete what is another's."""
    method, call = rng.choice(
        (
            ("POST", "runs/update"), ("POST", "runs/delete"), ("POST", "runs/log-metric"), ("POST", "runs/log-parameter"),
            ("POST", "runs/log-batch"), ("POST", "runs/set-tag"), ("POST", "runs/delete-tag"), ("POST", "runs/log-inputs"),
            ("POST", "runs/outputs"), ("POST", "runs/log-model"), ("POST", "registered-models/alias"),
            ("DELETE", "registered-models/alias"), ("DELETE", "registered-models/delete"), ("POST", "registered-models/rename"),
            ("PATCH", "registered-models/update"), ("POST", "registered-models/set-tag"), ("DELETE", "model-versions/delete"),
            ("PATCH", "model-versions/update"), ("POST", "model-versions/transition-stage"), ("POST", "experiments/delete"),
            ("POST", "experiments/update"), ("DELETE", "logged-models/{model}"), ("PATCH", "logged-models/{model}"),
            ("PATCH", "logged-models/{model}/tags"), ("POST", "model-versions/set-tag"), ("DELETE", "model-versions/delete-tag"),
        )
    )  # fmt: skip
    asked, answer = _ask(rng, method, call.format(model=_world["model"]), _ids(rng))
    return asked, [answer]


def _any_call(rng: random.Random, _folder: Path) -> Tried:
    """Any call by any method, its path spelt in any way."""
    call = rng.choice(_CALLS).format(model=_world["model"])
    call = rng.choice(
        (
            call,
            call,
            call,
            f"{call}/",
            f"/{call}",
            f"x/../{call}",
            call.replace("/", "%2f", 1),
            call.upper(),
            f"{call}%00",
        )
    )
    asked, answer = _ask(rng, rng.choice(_METHODS), call, _ids(rng))
    return asked, [answer]


def _path(rng: random.Random) -> str:
    up = rng.choice(("..", "%2e%2e", "%252e%252e", "..%2f..", "..\\..", "%00", ""))
    base = rng.choice(
        (f"0/{_world['other']}/artifacts", f"0/{_world['own']}/artifacts", "", f"0/models/{_world['model']}/artifacts")
    )
    depth = rng.randrange(7)
    end = rng.choice(
        ("state.db", "mlflow.db", "model/MLmodel", "etc/passwd", "token", "server.json", "x", "%2fetc%2fpasswd")
    )
    return "/".join(part for part in (base, *[up] * depth, end) if part)


def _file(rng: random.Random, _folder: Path) -> Tried:
    """Put, take, list and delete files by paths that lead elsewhere."""
    method, path = rng.choice(("PUT", "PUT", "GET", "DELETE", "POST")), rng.choice(_FILES) + _path(rng)
    if method == "POST":
        path = path.replace("/artifacts/", f"/mpu/{rng.choice(('create', 'complete', 'abort'))}/", 1)
    return f"{method} {path}", [_send(method, path, b"{}")]


def _read(rng: random.Random, _folder: Path) -> Tried:
    """Read by paths that lead elsewhere."""
    run, path = rng.choice((_world["own"], _world["other"])), _path(rng)
    target = rng.choice(
        (
            f"/get-artifact?run_id={run}&path={path}", f"/model-versions/get-artifact?name=churn&version=1&path={path}",
            f"{_PREFIXES[0]}artifacts/list?run_id={run}&path={path}", f"/api/2.0/mlflow-artifacts/artifacts?path={path}",
            f"{_PREFIXES[1]}logged-models/{_world['model']}/artifacts/files?artifact_file_path={path}",
            f"{_PREFIXES[0]}logged-models/{_world['model']}/artifacts/directories?artifact_directory_path={path}",
            f"/static-files/{path}", f"{_PREFIXES[1]}get-trace-artifact?request_id={path}", f"/{path}",
        )
    )  # fmt: skip
    return f"GET {target}", [_send("GET", target)]


def _odd_body(rng: random.Random, _folder: Path) -> Tried:
    """Bodies that no client sends, to calls that are allowed and that are not."""
    own, other = _world["own"], _world["other"]
    body = rng.choice(
        (
            b"", b"null", b"[]", b"1", b"\xff\xfe", b"{" * 50, b"[" * 50_000, b'{"a":' * 300 + b"1" + b"}" * 300, rng.randbytes(40),
            f'{{"run_id": "{own}", "run_id": "{other}", "key": "k", "value": "v"}}'.encode(),
            f'{{"run_id": "{own}", "runId": "{other}", "key": "k", "value": "v"}}'.encode(),
            f'{{"run_id": "{own}", "run_uuid": "{other}", "key": "k", "value": "v"}}'.encode(),
            json.dumps(json.dumps({"run_id": other, "key": "k", "value": "v"})).encode(),
            b'{"run_id": "' + b"a" * 200_000 + b'"}', b'{"run_id": {"a": 1}}', b'{"tags": "x"}', b'{"tags": [null]}',
        )
    )  # fmt: skip
    headers = rng.choice(
        (
            {}, {}, {"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}, {"X-HTTP-Method-Override": "DELETE"},
            {"X-MLFLOW-WORKSPACE": "other"}, {"Authorization": f"Basic {base64.b64encode(b'a:b').decode()}"},
        )
    )  # fmt: skip
    path = rng.choice(_PREFIXES) + rng.choice(
        ("runs/set-tag", "runs/update", "runs/create", "runs/search", "runs/log-batch", "runs/delete")
    )
    method = rng.choice(("POST", "POST", "GET", "PUT"))
    return f"{method} {path} {headers} {body[:80]!r}", [_send(method, path, body, **headers)]


def _trap(rng: random.Random, folder: Path) -> Tried:
    """A folder of the job's own with a link in it, named in every way as the place of an experiment's files."""
    (folder / "artifacts").symlink_to(rng.choice(("/etc", str(_world["folder"]))))
    place = rng.choice(
        (folder.as_uri(), str(folder), f"file:{folder}", f"{folder.as_uri()}/artifacts", f"file://localhost{folder}")
    )
    fields = {"name": f"t{rng.getrandbits(40):x}", "artifact_location": place}
    asked, answer = _ask(rng, "POST", "experiments/create", fields)
    answers = [answer]
    if answer[0] == 200:
        made = _send("POST", f"{_PREFIXES[0]}runs/create", json.dumps(json.loads(answer[1])).encode())
        run = json.loads(made[1])["run"]["info"]["run_id"]
        paths = ("passwd", "state.db", "artifacts/passwd", "artifacts/state.db")
        answers += [made, *(_send("GET", f"/get-artifact?run_id={run}&path={path}") for path in paths)]
    return asked, answers

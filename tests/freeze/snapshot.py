"""Write down how the program behaves: ``python tests/freeze/snapshot.py OUT [--pictures]``, for compare.py.

A demo of its own is started and asked by the program's own ways alone (command line, the agent's API, the window), so
that modules may be called and lie as they like. What differs without a change is masked (masks.py).
"""

import argparse
import ast
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import masks

ROOT = Path(__file__).resolve().parents[2]
SETTLE_SECONDS = 45.0
"""The demo makes its past, judges its monitors and rules, and fills its queue in the first half minute."""
METRICS_SECONDS = 20.0
"""Counters are there from their second sample on, and what throttles from when it does."""
DEADLINE_SECONDS = 120.0
WORDS = {"telemetry": "", "agent": "", "monitors": "drift monitors"}
"""How the command line names a service, where that is not the service's own name."""
COMMANDS = {
    "/v1/agent/verify_audit": "audit verify",
    "/v1/monitors/history": "drift history",
    "/v1/monitors/performance": "drift performance --monitor",
}
"""How it names a verb, where that is not the verb's own name."""
TO_FILES = {"/v1/cards/export": ".md", "/v1/evidence/build": ".zip"}
"""What takes a file to write, last, and how its name ends."""
OPTIONS = {"/v1/registry/clean_up": {"experiment": "churn", "keep_best": "1", "metric": "auc"}}
"""What a verb does not need by itself, and needs to say something."""
LIVE = {"telemetry", "gpus", "events", "alerts"}
"""Services whose answers live while they are read: keys are compared, texts are not."""
SHALLOW = {"/v1/events/absence": 1}
"""Answers that live with a table of what there was, so that even its second keys do."""
LIVE_VERBS = {
    *("/v1/agent/audit_links", "/v1/endpoints/load", "/v1/endpoints/requests", "/v1/endpoints/logs"),
    *("/v1/images/list", "/v1/images/preview", "/v1/jobs/list", "/v1/jobs/page", "/v1/jobs/group", "/v1/jobs/ran"),
    *("/v1/jobs/logs", "/v1/runs/list", "/v1/runs/window"),
}
"""Further answers that live: which jobs wait, run and have failed depends on who of the demo has its GPUs."""
HELD = {"/v1/rules/list": re.compile(r"\b(?:armed|holds|fired)\b|–|#")}
"""Words of a list that say how things are at the moment; the rest of its text is compared."""
NOT_ASKED = {
    "/v1/bare/seen": "waits",
    "/v1/ci/follow": "waits",
    "/v1/gpus/wait": "waits",
    "/v1/endpoints/progress": "needs a thing that is under way",
    "/v1/data/rewriting": "a token that is new each time",
}
JOB, MODEL, ENDPOINT = "train-churn", "churn", "churn-prod"
RUNS = ["00000000000000000000000000000003", "00000000000000000000000000000002"]
"""Of the demo's past, and there from its first second."""


class Demo:
    """A demo with folders of its own, that is asked by command line and socket."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._run = folder / "run"
        for made in (self.data, self._run, folder / "home"):
            made.mkdir(mode=0o700)
        kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
        self.environment = {
            **kept, "HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(self._run), "TZ": "UTC", "COLUMNS": "100",
            "LC_ALL": "C.UTF-8", "QT_QPA_PLATFORM": "offscreen", "NO_COLOR": "1", "XDG_CONFIG_HOME": str(folder / "home"),
        }  # fmt: skip

    def say(self, *words: str, demo: bool = True) -> tuple[int, str, str]:
        """Run the program; return its exit code and what it wrote."""
        which = ["--demo", "--data-dir", str(self.data)] if demo else []
        command = [sys.executable, "-m", "mlops_desk", *which, *words]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
                timeout=DEADLINE_SECONDS, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return 124, "", "no answer in time\n"
        return done.returncode, done.stdout, done.stderr

    def ask(self, path: str, parameters: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Ask the agent's API; return the status and the document (or the text, where it is none)."""
        connection = http.client.HTTPConnection("agent", timeout=DEADLINE_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(DEADLINE_SECONDS)
        connection.sock.connect(str(next(self._run.rglob("agent*.sock"))))
        try:
            connection.request("GET", f"{path}?{urlencode(parameters, doseq=True)}" if parameters else path)
            answer = connection.getresponse()
            body = answer.read().decode()
        except TimeoutError:
            return 0, "no answer in time"
        finally:
            connection.close()
        try:
            return answer.status, json.loads(body)
        except json.JSONDecodeError:
            return answer.status, body


def write(path: Path, document: Any) -> None:
    """Write a file of the snapshot: text as it is, documents with sorted keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_text = isinstance(document, str)
    text = document if is_text else json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    path.write_text(text, "utf-8")


def helps(demo: Demo, out: Path, words: tuple[str, ...] = ()) -> int:
    """Write the help of a command and of all below it; return how many there are."""
    code, told, trouble = demo.say(*words, "--help", demo=False)
    write(out / "help" / f"{'-'.join(words) or 'mlops-desk'}.txt", told if code == 0 else f"exit {code}\n{trouble}")
    listed = told.partition("positional arguments:")[2].partition("\noptions:")[0]
    below = re.findall(r"^    ([a-z][a-z-]*)(?:\s|$)", listed, re.MULTILINE) if code == 0 else []
    with ThreadPoolExecutor(4) as pool:
        return 1 + sum(pool.map(lambda word: helps(demo, out, (*words, word)), below))


def things(demo: Demo) -> dict[str, Any]:
    """Return a value for each parameter that a reading verb may need, chosen by name, so that it is always the same."""

    def first(path: str, key: str, named: tuple[str, str] | None = None, **parameters: Any) -> str:
        _, rows = demo.ask(path, parameters)
        rows = next((one for one in rows.values() if isinstance(one, list)), []) if isinstance(rows, dict) else rows
        tables = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        tables = [row for row in tables if named is None or row.get(named[0]) == named[1]] or tables
        return str(tables[0].get(key, "")) if tables else ""

    def recorded() -> str:
        every = [one["id"] for one in demo.ask("/v1/events/list")[1] if "kernel killed" in str(one)]
        asked = (one for one in every if demo.ask("/v1/events/recording", {"incident_id": one})[0] == HTTPStatus.OK)
        return str(next(asked, (every or [""])[0]))

    jobs, now = "/v1/jobs/list", int(time.time())
    found = {
        "job_id": first(jobs, "id", ("name", JOB)), "a": first(jobs, "id", ("name", JOB)), "model": MODEL, "version": "3",
        "b": first(jobs, "id", ("name", "pretrain-base")), "alias": "champion", "name": ENDPOINT, "endpoint": ENDPOINT,
        "experiment": MODEL, "metric": "auc", "path": "MLmodel", "run_id": RUNS[0], "run_ids": RUNS, "query": "auc>0.5",
        "start": str(now - 600), "end": str(now), "moment": str(now - 30), "since": str(now - 600), "gpu": "0",
        "pid": first("/v1/telemetry/processes", "pid", ("container", "vllm-mistral-790")), "incident_id": recorded(),
        "alert_id": first("/v1/alerts/list", "id"),
        "approval_id": first("/v1/approvals/list", "id", ("rule", "keep-churn-fresh")), "booking_id": "000000",
        "image_id": "python:3.12-slim", "copy": "000000", "report_id": first("/v1/drift/list", "id"),
        "task_id": first("/v1/images/tasks", "id", ("kind", "build")), "curve_id": "000000", "names": "slow-answers",
        "pipeline_id": first("/v1/pipelines/list", "id", ("rule", "keep-churn-fresh")), "thing": "churn/3",
        "firing_id": first("/v1/rules/firings", "id", ("rule", "keep-churn-fresh")), "retraining_id": first("/v1/rules/retrainings", "id"),
        "key": "ui.theme", "column": "tenure_months", "device": "gpu0",
    }  # fmt: skip
    window = first("/v1/monitors/history", "id", name=ENDPOINT)
    by_service = {
        "rules.name": "slow-answers", "data.name": "accounts-train", "registry.name": "own", "jobs.name": "pytorch",
        "alerts.name": first("/v1/alerts/rules", "name"), "runs.path": "", "runs.a": RUNS[0], "runs.b": RUNS[1],
        "models.a": "2", "models.b": "3", "monitors.window": window, "monitors.window_id": window,
        "cards.version": "churn/3", "evidence.version": "churn/3", "drift.version": "churn/3",
        "endpoints.model": "churn/3", "ci.run_id": first("/v1/ci/list", "id"), "secrets.name": "none",
        "telemetry.metric": "hw.gpu.utilization", "telemetry.curves": "gpu0\thw.gpu.utilization",
        "runs.by": "params.lr",
        "jobs.group.job_id": first(jobs, "id", ("name", "sweep-lr")), "monitors.rows.name": "churn-exports",
        "monitors.rows.window": first("/v1/monitors/history", "id", name="churn-exports"),
        "images.logs.task_id": first("/v1/images/tasks", "id", ("kind", "build")), "runs.artifact.path": "metrics.json",
    }  # fmt: skip
    return found | by_service


def words_of(out: Path, path: str, given: dict[str, Any]) -> list[str]:
    """Return the command for a verb: what its usage has as an option is one. Nothing where there is no such command."""
    service, verb = path.removeprefix("/v1/").split("/")
    command = COMMANDS.get(path, f"{WORDS.get(service, service)} {verb.replace('_', '-')}".strip())
    known = out / "help" / f"{command.partition(' --')[0].replace(' ', '-')}.txt"
    if not known.exists():
        return []
    usage = " ".join(known.read_text("utf-8").partition("\n\n")[0].split())
    options, places = [], []
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        asked = (
            value
            if isinstance(value, list) and " ...]" in usage
            else [value if isinstance(value, str) else ",".join(value)]
        )
        if re.search(rf"(?<!\[){option} ", usage) or name in OPTIONS.get(path, {}):
            options += [word for one in asked for word in (option, one)]
        else:
            places += asked
    return [*command.split(), *options, *places]


def reads(demo: Demo, out: Path, document: dict[str, Any]) -> dict[str, str]:
    """Ask each reading verb by the API and by the command line (--json and text); return what came of each."""
    values = things(demo)
    asked = {path: forms["get"] for path, forms in sorted(document["paths"].items()) if "get" in forms}

    def read(path: str) -> str:
        service, verb = path.removeprefix("/v1/").split("/")
        needed = [item["name"] for item in asked[path]["parameters"] if item["required"]]
        given = {name: values.get(f"{service}.{name}", values.get(name, "")) for name in needed}
        given |= {name: values.get(f"{service}.{verb}.{name}", told) for name, told in given.items()} | OPTIONS.get(
            path, {}
        )
        lives = service in LIVE or path in LIVE_VERBS
        place = out / "reads" / service

        def keep(name: str, told: dict[str, Any], answer: Any) -> None:
            form = masks.lines(answer) if isinstance(answer, str) else masks.value(answer)
            write(
                place / f"{verb}.{name}.json",
                {**told, "answer": masks.kinds(form, SHALLOW.get(path, 3)) if lives or path in HELD else form},
            )

        status, answer = demo.ask(path, given)
        keep("api", {"status": status}, answer)
        words = words_of(out, path, given)
        if not words:
            return f"API {status}, no command"
        files = [
            [str(demo.data / f"{verb}-{form}{TO_FILES[path]}")] if path in TO_FILES else [] for form in ("json", "text")
        ]
        code, told, trouble = demo.say(*words, *files[0], "--json")
        try:
            keep("cli", {"exit": code}, json.loads(told))
        except json.JSONDecodeError:
            keep("cli", {"exit": code}, told + trouble)
        code, told, trouble = demo.say(*words, *files[1])
        printed = masks.lines(told if code == 0 else told + trouble)  # without, it is told there how far things are
        if path in HELD:
            printed = HELD[path].sub("…", printed)
        write(place / f"{verb}.txt", f"exit {code}\n{printed.splitlines()[0] if lives else printed}\n")
        return f"API {status}, command line {code}"

    paths = [path for path in asked if path not in NOT_ASKED]
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(paths, pool.map(read, paths), strict=True))


def metrics(demo: Demo) -> str:
    """Switch the exporter on; return name, type, help and labels of all that it exports."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demo.say("settings", "set", "metrics.port", str(port))
    demo.say("settings", "set", "metrics.enabled", "on")
    pages, end = [], time.monotonic() + METRICS_SECONDS
    while time.monotonic() < end:
        time.sleep(1.0)
        for token in demo.data.rglob("metrics.token"):
            asked = Request(
                f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token.read_text().strip()}"}
            )
            with contextlib.suppress(OSError), urlopen(asked, timeout=10) as answer:
                pages.append(answer.read().decode())
    if not pages:
        raise SystemExit("The exporter of metrics did not answer.")
    lines = {line for page in pages for line in page.splitlines()}
    demo.say("settings", "set", "metrics.enabled", "off")
    heads = {line for line in lines if line.startswith("# ")}
    labels = {(line.partition("{")[0].split()[0], ",".join(re.findall(r'(\w+)="', line))) for line in lines
              if line and not line.startswith("#")}  # fmt: skip
    return "\n".join([*sorted(heads), *sorted(f"{name} {{{keys}}}" for name, keys in labels)]) + "\n"


def actions() -> dict[str, str]:
    """Return the actions that the source names, wherever it lies: id and title, where both are plain texts."""
    found = {}
    for path in sorted((ROOT / "mlops_desk").rglob("*.py")):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "Action(" in text else ():
            if not isinstance(node, ast.Call) or getattr(node.func, "id", getattr(node.func, "attr", "")) != "Action":
                continue
            told = [one.value if isinstance(one, ast.Constant) else "…" for one in node.args[:2]]
            if len(told) == 2 and told[0] != "…":
                found[str(told[0])] = str(told[1])
    return found


def take(out: Path, folder: Path, *, pictures: bool) -> None:
    """Write the whole snapshot."""
    demo = Demo(folder)
    try:
        code, _, trouble = demo.say("status")
        if code:
            raise SystemExit(f"The demo did not start: {trouble}")
        began = time.monotonic()
        print(f"help of {helps(demo, out)} commands", flush=True)
        for name in ("jobs", "rules", "ci"):
            write(out / "schemas" / f"{name}.json", demo.say(name, "schema")[1])
        write(out / "actions-in-source.json", actions())
        time.sleep(max(0.0, SETTLE_SECONDS - (time.monotonic() - began)))
        _, document = demo.ask("/openapi.json")
        write(out / "api.json", document)
        print(f"{sum(map(len, document['paths'].values()))} verbs", flush=True)
        _, settings = demo.ask("/v1/settings/list")
        write(out / "settings.json", [{key: told for key, told in one.items() if key != "value"} for one in settings])
        came = reads(demo, out, document)
        write(out / "reads.json", {"came": came, "not asked": NOT_ASKED})
        print(f"{len(came)} reading verbs", flush=True)
        words = [str(ROOT / "tests" / "freeze" / "window.py"), str(demo.data), str(out.resolve())]
        more = ["--pictures"] if pictures else []
        subprocess.run([sys.executable, "-E", "-P", *words, *more], env=demo.environment, check=True, timeout=300)
        write(out / "metrics.txt", metrics(demo))
    finally:
        demo.say("agent", "stop", "--all")


def main() -> int:
    """Take a snapshot into a folder that is made anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", action="store_true", help="take a picture of each page, too")
    options = parser.parse_args()
    if options.out.exists() and any(options.out.iterdir()):
        parser.error(f"{options.out} is not empty")
    options.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the demo ends with it
    folder = Path(tempfile.mkdtemp(prefix="freeze-"))
    try:
        take(options.out, folder, pictures=options.pictures)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

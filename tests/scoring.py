"""Models for the scoring server, and the server itself as a process of its own on loopback."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

SERVER = Path(__file__).resolve().parents[1] / "resources" / "runtimes" / "scoring_server.py"
ODD = """
import threading, time, os

class Odd:
    def __init__(self):
        self.inside, self.most = 0, 0
        self.lock = threading.Lock()
    def predict(self, data, params=None):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            return [self.one(word) for word in data["do"]]
        finally:
            with self.lock:
                self.inside -= 1
    def one(self, word):
        if word == "raise": raise RuntimeError("a model's own trouble")
        if word == "exit": raise SystemExit(3)
        if word == "nan": return float("nan")
        if word == "most": return self.most
        if str(word).startswith("sleep"): time.sleep(float(word[5:]))
        return word

def _load_pyfunc(path):
    time.sleep(float(os.environ.get("ODD_LOADS", "0")))
    return Odd()
"""


def odd_model(folder: Path, example: object | None = None, code: str = ODD) -> Path:
    """Write a model whose answers are what its caller tells it to do; nothing of it is a pickle."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "odd_loader.py").write_text(code)
    document: dict[str, Any] = {
        "flavors": {"python_function": {"loader_module": "odd_loader", "code": "code", "python_version": "3.11.7"}},
        "mlflow_version": "3.17.2",
    }
    if example is not None:
        (folder / "serving_input_example.json").write_text(json.dumps(example))
        document["saved_input_example_info"] = {
            "artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split",
            "serving_input_path": "serving_input_example.json",
        }  # fmt: skip
        (folder / "input_example.json").write_text("{}")
    (folder / "MLmodel").write_text(json.dumps(document))
    return folder


@dataclass
class Scoring:
    """A server that runs; ``log`` is what it has written."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, document: object, path: str = "/invocations", **more: Any) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.post(self.url + path, json=document, **more)

    def ping(self, path: str = "/ping") -> int:
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.get(self.url + path).status_code

    def raw(self, data: bytes, seconds: float = 10) -> bytes:
        """Send bytes as they are; return what comes until the server hangs up, or says nothing more."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as caller:
            caller.sendall(data)
            caller.settimeout(seconds)
            said = b""
            try:
                while piece := caller.recv(65536):
                    said += piece
            except TimeoutError:
                pass
            return said

    def until(self, status: int, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                found: int | str = self.ping()
            except httpx.HTTPError as error:
                found = str(error)
            if found == status:
                return
            assert time.monotonic() < deadline, f"{found}\n{self.log.read_text()}"
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)


@contextmanager
def scoring(
    model: Path, log: Path, arguments: tuple[str, ...] = (), python: str = sys.executable, **environment: str
) -> Iterator[Scoring]:
    """Run the server on a model until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    env = {**os.environ, "MLOPS_DESK_MODEL": str(model), "AIP_HTTP_PORT": str(port), **environment}
    with log.open("wb") as file:
        process = subprocess.Popen([python, str(SERVER), *arguments], env=env, stdout=file, stderr=file)
    try:
        yield Scoring(process, port, log)
    finally:
        process.kill()
        process.wait(240)

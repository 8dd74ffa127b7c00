"""A persistent worker: one request a line on stdin, one answer a line on stdout, one after the other.

``{"uri", "verb", "arguments", "environment", "timeout_seconds"}`` is answered by ``{"ok"}`` or by
``{"error", "hint", "code"}``, with ``"ending": true`` when the worker ends after it. The first line that
it writes, ``{"ready": true}``, says that MLflow is loaded. It ends by itself, with code 0, when its parent
is gone or nobody asked for a while; only then may a request be sent again to another. Its parent ends it
at the deadline of a request; should the parent be gone, the alarm clock does.
NaN and infinities travel as the words Python's JSON has for them, so that names stay untouched.
"""

import argparse
import json
import math
import os
import select
import signal
import sys
from collections.abc import Mapping
from typing import IO, Any

import msgspec

from mlops_desk.kit.base.errors import DeskError, Unavailable
from mlops_desk.kit.base.process import limit_memory
from mlops_desk.registry.address import Address, check_local, parse_address
from mlops_desk.registry.mlflow.errors import tame

MEMORY_LIMIT_BYTES = 1 << 30  # chosen: room for MLflow itself, and for answers, which are capped
OUT_OF_MEMORY = 3  # an exit code of its own: 1 is Python's, 2 that of wrong arguments
_CLIENTS = 8  # chosen: registries that one person asks at a time
_OVERTIME_SECONDS = 5  # beyond the asker's own deadline: ends what its asker, killed meanwhile, can't


class OpenClients:
    """The clients that were opened, by address and inode, so that a replaced file is opened anew."""

    def __init__(self, *, with_sql: bool) -> None:
        from mlops_desk.registry.mlflow import client  # noqa: PLC0415 - loads MLflow: only here, in the worker

        if with_sql:
            client.load_sql()
        self._door = client
        self._clients: dict[tuple[str, object], Any] = {}

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is asked and return the answer; a DeskError is an answer too."""
        try:
            address = parse_address(request["uri"])
            return {"ok": self._do(address, request)}
        except DeskError as error:
            return error.told()

    def _do(self, address: Address, request: Mapping[str, Any]) -> Any:
        verb = request["verb"]
        with_environment(request["environment"], repeat=verb not in self._door.WRITES)
        try:
            result = self._door.VERBS[verb](self._client(address), **request["arguments"])
        except MemoryError:
            raise  # what is left of this process is not to be trusted: it ends
        except Exception as error:  # MLflow raises whatever a server makes it raise
            raise tame(error, address) from error
        return msgspec.to_builtins(result)

    def _client(self, address: Address) -> Any:
        key = (address.uri, check_local(address))
        if key not in self._clients:
            if len(self._clients) >= _CLIENTS:
                self._clients.pop(next(iter(self._clients)))
            self._clients[key] = self._door.open_client(address)
        return self._clients[key]


def with_environment(variables: Mapping[str, str | None], *, repeat: bool) -> None:
    """Set (or, for None, unset) what MLflow reads at each request: who asks, and whether to try twice."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1" if repeat else "0"


def serve(requests: IO[bytes], answers: IO[str], idle_seconds: float, *, with_sql: bool) -> int:
    """Answer requests until the parent is gone or nobody has asked for ``idle_seconds``."""
    desk = OpenClients(with_sql=with_sql)
    _write(answers, {"ready": True})
    while select.select([requests], [], [], idle_seconds)[0]:
        line = requests.readline()
        if not line:
            break
        request = json.loads(line)
        signal.alarm(math.ceil(request["timeout_seconds"]) + _OVERTIME_SECONDS)  # ends this process
        try:
            _write(answers, desk.answer(request))
        except MemoryError:
            _write(answers, _too_large())
            return OUT_OF_MEMORY
        signal.alarm(0)
    return 0


def _too_large() -> dict[str, Any]:
    error = Unavailable("The registry's answer was too large to be taken in.", "Ask for fewer: --limit.")
    return {**error.told(), "ending": True}


def _write(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="mlops_desk.registry.mlflow.worker")
    parser.add_argument("--idle-seconds", type=float, default=300.0)
    parser.add_argument("--with-sql", action="store_true")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what MLflow prints goes to stderr, never into an answer
    limit_memory(MEMORY_LIMIT_BYTES)
    with answers, os.fdopen(os.dup(0), "rb", buffering=0) as requests:
        return serve(requests, answers, arguments.idle_seconds, with_sql=arguments.with_sql)


if __name__ == "__main__":
    sys.exit(main())

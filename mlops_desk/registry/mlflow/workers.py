"""Keeps a few worker processes, one for each registry that is being asked, and ends those that hang.

Importing MLflow costs seconds, so workers stay until nobody has asked for some minutes. A registry that
hangs, drips or answers without end costs its worker at the deadline and holds up nobody but itself.
"""

import contextlib
import json
import os
import select
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.errors import TimedOut, Unavailable, heard
from mlops_desk.kit.base.process import end_group, python_command, start_child
from mlops_desk.kit.base.text import plain

_MODULE = "mlops_desk.registry.mlflow.worker"
_START_SECONDS = 60.0  # chosen: MLflow is loaded from a busy disk
_ANSWER_LIMIT_BYTES = 256 << 20  # chosen: 50,000 runs of 5 KB
_TAIL_CHARACTERS = 600  # chosen: the last lines of a traceback, which name the error
_CHUNK_BYTES = 1 << 20  # the most that a pipe holds by default (pipe(7))

ENVIRONMENT = {
    # Nobody is told what is done here.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # The deadline is kept by ending the worker; these only make the usual trouble known sooner.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Address space is capped: no arena and no pool of threads for each of 128 cores.
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


class Gone(Exception):  # noqa: N818 - no error: the worker had nothing to do for a while and went home
    """The worker ended before it took the request."""


class Worker:
    """One worker process. ``busy`` and ``uri`` belong to ``Workers``; one thread at a time asks."""

    def __init__(self, scratch: Path, idle_seconds: float, *, with_sql: bool) -> None:
        self.busy = False
        self.uri: str | None = None
        self.used_at = 0.0
        self._ready = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self._process = start_child(
            python_command(_MODULE, "--idle-seconds", str(idle_seconds), *(["--with-sql"] if with_sql else [])),
            stdin=subprocess.PIPE,
            stderr=self._errors,
            environment=ENVIRONMENT,
            folder=scratch,  # MLflow may make ./mlruns wherever it stands
            buffer_bytes=0,  # nothing is left to be written when a worker that has ended is cleared away
        )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, request: Mapping[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Return the answer, good or bad. Raises Gone, or a DeskError after which this worker must be ended."""
        stdin = self._process.stdin
        if stdin is None:
            raise Gone
        if not self._ready:
            self._line(_START_SECONDS)
            self._ready = True
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise Gone from error
        answer: dict[str, Any] = json.loads(self._line(timeout_seconds))
        return answer

    def _line(self, timeout_seconds: float) -> bytes:
        """Read one line within ``timeout_seconds``, however slowly it drips."""
        deadline = time.monotonic() + timeout_seconds
        stdout = self._process.stdout
        if stdout is None:
            raise Gone
        received = bytearray()
        while not received.endswith(b"\n"):
            if not select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                text = f"The registry gave no answer within {timeout_seconds:g} s, and the request was given up."
                raise TimedOut(text, "Is it very busy, or very large? It may still do what was asked.")
            chunk = os.read(stdout.fileno(), _CHUNK_BYTES)
            if not chunk:
                raise self._ending()
            received += chunk
            if len(received) > _ANSWER_LIMIT_BYTES:
                raise Unavailable("The registry's answer was too large to be taken in.", "Ask for fewer: --limit.")
        return bytes(received)

    def _ending(self) -> Exception:
        with contextlib.suppress(subprocess.TimeoutExpired):  # it has closed its output, so it is about to end
            self._process.wait(2.0)
        if self._process.returncode == 0:
            return Gone()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _TAIL_CHARACTERS))
        tail = plain(self._errors.read().decode("utf-8", "replace").strip(), _TAIL_CHARACTERS)
        text = f"The process that speaks to the registry ended with code {self._process.returncode}."
        return Unavailable(f"{text} It last wrote: {tail}", "Try again; if it happens each time, this is a fault.")

    def kill(self) -> None:
        """End the process; whoever reads from it notices, and calls ``end``."""
        self._process.kill()

    def end(self) -> None:
        end_group(self._process)
        self._errors.close()


class Workers:
    """Hands each request to the worker of its registry; at most ``limit`` registries are asked at once."""

    def __init__(self, scratch: Path, limit: int = 3, idle_seconds: float = 300.0) -> None:
        self._scratch = scratch
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._workers: list[Worker] = []
        self._stopped = False

    def ask(
        self,
        uri: str,
        verb: str,
        arguments: Mapping[str, Any],
        environment: Mapping[str, str | None],
        timeout_seconds: float,
    ) -> Any:
        """Return what ``verb`` of client.py gives for the registry at ``uri``. Raises DeskErrors."""
        request = {
            "uri": uri,
            "verb": verb,
            "arguments": dict(arguments),
            "environment": dict(environment),
            "timeout_seconds": timeout_seconds,
        }
        answer = self._answer(uri, request, timeout_seconds)
        if "error" in answer:
            raise heard(answer)
        return answer["ok"]

    def _answer(self, uri: str, request: Mapping[str, Any], timeout_seconds: float) -> dict[str, Any]:
        for _ in range(2):
            worker = self._take(uri, timeout_seconds)
            healthy = False
            try:
                answer = worker.ask(request, timeout_seconds)
                healthy = not answer.get("ending", False)
            except Gone:
                continue
            else:
                return answer
            finally:
                self._give_back(worker, healthy=healthy)
        raise Unavailable("The process that speaks to the registry ends as soon as it is started.")

    def _take(self, uri: str, timeout_seconds: float) -> Worker:
        """Wait for the worker of ``uri``, or for a free place; its own start is not counted."""
        deadline = time.monotonic() + timeout_seconds + _START_SECONDS
        with self._changed:
            while True:
                if self._stopped:
                    raise Unavailable("The agent is ending.")
                worker = self._choose(uri)
                if worker is not None:
                    worker.busy, worker.uri = True, uri
                    return worker
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimedOut("Earlier requests to the registry have not ended yet.", "Try again in a moment.")

    def _choose(self, uri: str) -> Worker | None:
        for worker in self._workers:
            if worker.uri == uri:
                return None if worker.busy else worker
        if len(self._workers) < self._limit:
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._workers.append(Worker(self._scratch, self._idle_seconds, with_sql="sql" in uri.partition(":")[0]))
            return self._workers[-1]
        idle = [worker for worker in self._workers if not worker.busy]
        return min(idle, key=lambda worker: worker.used_at, default=None)

    def _give_back(self, worker: Worker, *, healthy: bool) -> None:
        with self._changed:
            worker.busy, worker.used_at = False, time.monotonic()
            healthy = healthy and not self._stopped
            if not healthy and worker in self._workers:
                self._workers.remove(worker)
            self._changed.notify_all()
        if not healthy:
            worker.end()

    def sweep(self) -> None:
        """Collect workers that have gone home."""
        with self._changed:
            ended = [worker for worker in self._workers if not worker.busy and worker.ended]
            self._workers = [worker for worker in self._workers if worker not in ended]
        for worker in ended:
            worker.end()

    def stop(self) -> None:
        """End all workers, whatever they are doing."""
        with self._changed:
            self._stopped = True
            workers, self._workers = self._workers, []
            idle = [worker for worker in workers if not worker.busy]
            self._changed.notify_all()
        for worker in workers:
            worker.kill()
        for worker in idle:
            worker.end()

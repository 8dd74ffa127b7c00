"""Answers requests to one model from inside its container: the same contract wherever the image runs.

GET /ping (and AIP_HEALTH_ROUTE) says 200 only once the model has answered its own example; POST /invocations (and
AIP_PREDICT_ROUTE) takes what MLflow's own scoring server takes. It listens on the socket that the desk hands over, or
on SAGEMAKER_BIND_TO_PORT, AIP_HTTP_PORT or 8080. Only the standard library is needed until the model is loaded: by the
image's own MLflow, or by ONNX Runtime where there is but an .onnx file. It runs on Python 3.9 and later.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

HAND = "/mlops-desk/hand"
MODEL_FOLDERS = ("/opt/ml/model", "/model")  # SageMaker's, and the desk's own
HEAD_BYTES = 64 << 10  # chosen: callers send a few hundred bytes
CONNECTIONS = 1024  # chosen: more than the gateway ever has under way
WAITING = 384  # as many as the gateway lets through at once
HEAD_SECONDS = 75.0  # chosen: longer than those who keep connections rest between two requests
BODY_SECONDS = 60.0  # as the gateway gives a caller
HAND_SECONDS = 60.0  # the agent hands its socket over within a second of the start
DRAIN_SECONDS = 0.5  # the contract: ended within a second of TERM
TRACE_LINES = 12  # chosen: the error and where in the model's own code it rose
BODIES = 4  # chosen: so many of the largest bodies may lie in memory at once
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 411: "Length Required",
           413: "Content Too Large", 415: "Unsupported Media Type", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


class Answer(NamedTuple):
    status: int
    body: bytes
    kind: str = "application/json"


class Rejected(Exception):  # noqa: N818 - an answer, and then the connection is closed
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.answer = refusal(status, text)


def refusal(status: int, text: str) -> Answer:
    return Answer(status, json.dumps({"error_code": REASONS.get(status, "ERROR"), "message": text}).encode())


@dataclass(frozen=True)
class Settings:
    """What the environment says; each of the clouds has names of its own."""

    folder: Path
    port: int
    health: frozenset[str]
    predict: frozenset[str]
    body_bytes: int
    concurrency: int
    stuck_seconds: float

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Settings:
        named = env.get("MLOPS_DESK_MODEL") or env.get("AZUREML_MODEL_DIR")
        folders = [Path(named)] if named else [Path(one) for one in MODEL_FOLDERS]
        return cls(
            folder=next((one for one in folders if one.is_dir()), folders[-1]),
            port=int(env.get("SAGEMAKER_BIND_TO_PORT") or env.get("AIP_HTTP_PORT") or 8080),
            health=frozenset({"/ping", "/health", env.get("AIP_HEALTH_ROUTE") or "/ping"}),
            predict=frozenset({"/invocations", env.get("AIP_PREDICT_ROUTE") or "/invocations"}),
            body_bytes=int(env.get("MLOPS_DESK_BODY_BYTES") or 16 << 20),  # as the gateway lets through
            # Few models say that two threads may ask them at once, so one is asked at a time unless somebody told.
            concurrency=max(1, int(env.get("MLOPS_DESK_CONCURRENCY") or 1)),
            stuck_seconds=float(env.get("MLOPS_DESK_STUCK_SECONDS") or 120),  # chosen: the gateway gives up long before
        )


class PyfuncModel:
    """An MLflow model of any flavour with a Python function; asked as MLflow's own scoring server asks it."""

    def __init__(self, folder: Path) -> None:
        import mlflow.pyfunc
        from mlflow.exceptions import MlflowException
        from mlflow.models import Model
        from mlflow.pyfunc import scoring_server

        os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"
        self._ask, self._failure = scoring_server.invocations, MlflowException
        backend = (Model.load(str(folder)).flavors.get("keras") or {}).get("keras_backend")
        if backend:  # else Keras takes TensorFlow, which a model of another backend brings no wheel of
            os.environ.setdefault("KERAS_BACKEND", str(backend))
        self._model = mlflow.pyfunc.load_model(str(folder))
        self._schema = self._model.metadata.get_input_schema()
        info = self._model.metadata.saved_input_example_info or {}
        self.golden = read_golden(folder, info.get("serving_input_path"))

    def answer(self, body: bytes, kind: str) -> Answer:
        try:
            said = self._ask(body, kind, self._model, self._schema)
        except self._failure as error:
            return Answer(error.get_http_status_code(), error.serialize_as_json().encode())
        return Answer(said.status, said.response.encode(), said.mimetype)


class OnnxModel:
    """An .onnx file by ONNX Runtime on the processor: arrays by the names of its inputs, or rows for its only one."""

    def __init__(self, file: Path) -> None:
        import numpy  # noqa: ICN001 - short names save nothing here
        import onnxruntime

        self._numpy = numpy
        options = onnxruntime.SessionOptions()
        threads = int(os.environ.get("MLOPS_DESK_THREADS") or len(os.sched_getaffinity(0)))
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._inputs = {
            one.name: numpy.dtype(_ONNX_TYPES.get(one.type, "float32")) for one in self._session.get_inputs()
        }
        self._ranks = {one.name: len(one.shape) for one in self._session.get_inputs()}
        self._outputs = [one.name for one in self._session.get_outputs()]
        self.golden = read_golden(file.parent, "serving_input_example.json")

    def answer(self, body: bytes, kind: str) -> Answer:
        if kind.partition(";")[0].strip() != "application/json":
            return refusal(415, f"This model takes application/json, not {kind!r}.")
        try:
            fed = self._fed(json.loads(body))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError) as error:
            names = ", ".join(self._inputs)
            return refusal(400, f"The request does not fit the model's inputs ({names}): {error}.")
        try:
            results = self._session.run(self._outputs, fed)
        except Exception as error:  # noqa: BLE001 - whatever the graph makes of a caller's shapes is the caller's
            return refusal(400, f"The model could not work with these inputs: {error}")
        found = {name: _jsonable(one) for name, one in zip(self._outputs, results)}
        return Answer(200, json.dumps({"predictions": found}).encode())

    def prepared(self, body: bytes) -> Any:
        """Return what runs the graph alone, as often as it is called, on a body that is read once."""
        fed = self._fed(json.loads(body))
        return lambda: self._session.run(self._outputs, fed)

    def _fed(self, document: Any) -> dict[str, Any]:
        """Return an array for each input. Raises what Python raises for what does not fit."""
        if not isinstance(document, dict):
            raise ValueError("it is no object with inputs, instances, dataframe_split or dataframe_records")  # noqa: TRY004 - one answer for all
        if "inputs" in document:
            given = document["inputs"]
            return self._arrays(given) if isinstance(given, dict) else self._rows(given)
        if "instances" in document:
            given = document["instances"]
            named = given and isinstance(given[0], dict)
            return self._columns(list(given[0]), [list(one.values()) for one in given]) if named else self._rows(given)
        if "dataframe_split" in document:
            split = document["dataframe_split"]
            return self._columns(split["columns"], split["data"])
        records = document["dataframe_records"]
        names = list(records[0])
        return self._columns(names, [[record[name] for name in names] for record in records])

    def _arrays(self, given: dict[str, Any]) -> dict[str, Any]:
        return {name: self._numpy.asarray(given[name], dtype=kind) for name, kind in self._inputs.items()}

    def _rows(self, given: Any) -> dict[str, Any]:
        if len(self._inputs) != 1:
            raise ValueError("name each input")
        (name,) = self._inputs
        return self._arrays({name: given})

    def _columns(self, names: list[str], rows: list[list[Any]]) -> dict[str, Any]:
        """Return columns that are called as the inputs are, each for its own; else all of them as rows of the one."""
        if not set(self._inputs) <= set(names):
            return self._rows(rows)
        columns = dict(zip(names, zip(*rows)))
        made = self._arrays({name: list(columns[name]) for name in self._inputs})
        return {
            name: one.reshape(-1, 1) if self._ranks[name] == 2 and one.ndim == 1 else one for name, one in made.items()
        }


_ONNX_TYPES = {"tensor(double)": "float64", "tensor(float16)": "float16", "tensor(int64)": "int64",
               "tensor(int32)": "int32", "tensor(int8)": "int8", "tensor(uint8)": "uint8", "tensor(bool)": "bool",
               "tensor(string)": "object"}  # fmt: skip


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):  # classifiers of scikit-learn, converted: a mapping of classes for each row
        return {str(key): _jsonable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value


def read_golden(folder: Path, name: Any) -> bytes | None:
    """Return the request that was saved with a model; None where there is none."""
    file = folder / name if isinstance(name, str) and Path(name).name == name else None
    return file.read_bytes() if file is not None and file.is_file() else None


def load(folder: Path) -> Any:
    """Return the model in a folder, or in the one below it that holds one. Raises whatever its library raises."""
    below = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    for where in (folder, *below):
        if (where / "MLmodel").is_file():
            return PyfuncModel(where)
        files = sorted(where.glob("*.onnx")) if where.is_dir() else []
        if files:
            return OnnxModel(files[0])
    raise FileNotFoundError(f"{folder} holds neither an MLmodel nor an .onnx file")


class Server:
    """Listens, reads requests, and lets a few threads ask the model: one event loop, which waits for no model."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.concurrency, "model")
        self._model: Any = None
        self._state = (503, "The model is being loaded.")
        self._began: dict[int, float] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._waiting = self._held = self._connections = self._numbers = 0
        self._closing = False

    async def run(self, listening: socket.socket) -> int:
        """Serve until TERM; returns the exit code."""
        ending: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(one, lambda: ending.done() or ending.set_result(0))
        server = await asyncio.start_server(self._serve, sock=listening, limit=HEAD_BYTES, backlog=CONNECTIONS)
        loading = asyncio.ensure_future(self._load())
        await asyncio.wait({ending, loading}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done() and loading.result():
            return 1
        await ending
        self._closing = True
        server.close()
        if self._answering:
            await asyncio.wait(self._answering, timeout=DRAIN_SECONDS)
        return 0

    async def _load(self) -> bool:
        """Load the model and let it answer its example. Tells whether that failed for good."""
        loop = asyncio.get_running_loop()
        try:
            self._model = await loop.run_in_executor(self._threads, load, self._settings.folder)
        except Exception:  # noqa: BLE001 - a model's own code may raise anything; the log says what
            traceback.print_exc()
            return True
        tell("The model is loaded")
        said = None
        if self._model.golden is not None:
            said = await loop.run_in_executor(self._threads, self._asked, self._model.golden, "application/json")
        if said is None or said.status == 200:
            self._state = (200, "")
        else:
            lines = cause(said.body)
            self._state = (500, f"The model does not answer the example that was saved with it: {lines[-1]}")
            for line in lines[:-1]:
                tell(line)
            tell(self._state[1])
        return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            while self._connections <= CONNECTIONS and not self._closing and await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):  # noqa: UP041 - no OSError before 3.11
            pass  # the caller went away, or has not said anything for long: nobody waits for an answer
        finally:
            self._connections -= 1
            self._answering.discard(asyncio.current_task())
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tells whether the connection is kept."""
        stays, held, task = False, 0, asyncio.current_task()
        try:
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
            except asyncio.LimitOverrunError as error:
                raise Rejected(431, "The head of the request is too long.") from error
            self._answering.add(task)
            method, path, headers, stays = parse(head)
            size = body_size(method, headers, self._settings.body_bytes)
            held = self._hold(size)
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await asyncio.wait_for(reader.readexactly(size), BODY_SECONDS)
            answer = await self._answer(method, path, headers, body)
        except Rejected as rejected:
            answer, stays = rejected.answer, False
        finally:
            self._held -= held
        stays = stays and not self._closing
        writer.write(head_of(answer, stays=stays) + answer.body)
        await asyncio.wait_for(writer.drain(), BODY_SECONDS)
        if stays:  # else the end of the task is the end of the connection
            self._answering.discard(task)
        return stays

    def _hold(self, size: int) -> int:
        """Count a body that comes in. Raises Rejected where too much is in memory already."""
        if self._held + size > BODIES * self._settings.body_bytes:
            raise Rejected(503, "Too much is being sent at once.")
        self._held += size
        return size

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if path in self._settings.health:
            return self._health() if method == "GET" else refusal(405, "Only GET is answered here.")
        if path not in self._settings.predict:
            return refusal(404, "There is nothing here.")
        if method != "POST":
            return refusal(405, "Only POST is answered here.")
        if self._model is None:
            return refusal(*self._state)
        if self._waiting >= WAITING:
            return refusal(503, "Too many requests wait for the model.")
        kind = headers.get("content-type", "application/json")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, body, kind)
        finally:
            self._waiting -= 1

    def _health(self) -> Answer:
        status, text = self._state
        oldest = min(self._began.values(), default=time.monotonic())
        if status == 200 and time.monotonic() - oldest > self._settings.stuck_seconds:
            return refusal(503, "The model has been at one request for too long.")
        return Answer(status, b"\n") if status == 200 else refusal(status, text)

    def _asked(self, body: bytes, kind: str) -> Answer:
        """Ask the model, in one of its threads. Whatever it raises is an answer."""
        self._numbers += 1
        number = self._numbers
        self._began[number] = time.monotonic()
        try:
            return self._model.answer(body, kind)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a model's own code may raise anything
            traceback.print_exc()
            return refusal(500, f"The model failed: {type(error).__name__}: {error}")
        finally:
            self._began.pop(number, None)


def parse(head: bytes) -> tuple[str, str, dict[str, str], bool]:
    """Return method, path, headers and whether the connection is kept. Raises Rejected."""
    lines = head[:-4].decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise Rejected(400, "That is no request of HTTP/1.1.")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, mark, value = line.partition(":")
        if not mark or not name or name != name.strip():
            raise Rejected(400, "A header of the request can't be read.")
        if name.lower() == "content-length" and headers.get("content-length", value.strip()) != value.strip():
            raise Rejected(400, "The request names two lengths.")
        headers[name.lower()] = value.strip()
    wish = headers.get("connection", "").lower()
    stays = "close" not in wish and (words[2] != "HTTP/1.0" or "keep-alive" in wish)
    return words[0], words[1].partition("?")[0], headers, stays


def body_size(method: str, headers: Mapping[str, str], most: int) -> int:
    """Return how many bytes follow. Raises Rejected for what is not told, or is too much."""
    if "transfer-encoding" in headers:
        raise Rejected(411, "Name the length of the body.")
    told = headers.get("content-length", "0" if method in {"GET", "HEAD"} else "")
    if not told.isascii() or not told.isdigit() or len(told) > 15:
        raise Rejected(411 if not told else 400, "Name the length of the body.")
    if int(told) > most:
        raise Rejected(413, f"A body may have {most} bytes.")
    return int(told)


def head_of(answer: Answer, *, stays: bool) -> bytes:
    reason = REASONS.get(answer.status, "Answer")
    wish = "keep-alive" if stays else "close"
    head = f"HTTP/1.1 {answer.status} {reason}\r\ncontent-type: {answer.kind}\r\ncontent-length: {len(answer.body)}\r\n"
    return f"{head}connection: {wish}\r\n\r\n".encode("latin-1")


def way_in(port: int) -> socket.socket:
    """Return the socket that the desk hands over, or one at ``port`` where there is no desk. Raises OSError."""
    if not os.path.exists(HAND):  # noqa: PTH110 - Path.exists swallows what keeps it from looking
        return socket.create_server(("", port), backlog=CONNECTIONS)
    with socket.socket(socket.AF_UNIX) as desk:
        desk.settimeout(HAND_SECONDS)
        desk.connect(HAND)
        _, descriptors, _, _ = socket.recv_fds(desk, 1, 1)
    taken = socket.socket(fileno=descriptors[0])
    taken.setblocking(False)
    return taken


def cause(body: bytes) -> list[str]:
    """Return what an answer says went wrong, the cause itself last.

    MLflow's errors hold a whole trace in one string, of which what is cut off is the cause.
    """
    try:
        told = json.loads(body)
        trace = [line for line in told["stack_trace"].splitlines() if line.strip()]
        lines = [*trace[-TRACE_LINES:], f"{told['message']} {trace[-1].strip()}"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):  # any other server's answer
        lines = [body[-2000:].decode("utf-8", "replace")]
    return [line[:2000] for line in lines]


def tell(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    tell(f"Python {sys.version.split()[0]}")
    settings = Settings.read(os.environ)
    code = asyncio.run(Server(settings).run(way_in(settings.port)))
    sys.stdout.flush()
    os._exit(code)  # a model's thread that is still at work must not keep it


if __name__ == "__main__":
    main()

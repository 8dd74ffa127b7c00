"""The program that serves in a container, as a process: what it answers, to whom, and what can't end it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.scoring import SERVER, Scoring, odd_model, scoring

DO = {"dataframe_split": {"columns": ["do"], "data": [["a"]]}}


def do(*words: object) -> dict[str, object]:
    return {"dataframe_split": {"columns": ["do"], "data": [[word] for word in words]}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scoring]:
    folder = tmp_path_factory.mktemp("scoring")
    with scoring(odd_model(folder / "model", DO), folder / "log") as running:
        running.until(200)
        yield running


def test_it_imports_nothing_but_the_standard_library_before_a_model_is_loaded() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SERVER.parent)!r}); import scoring_server;"
        "print([name for name in sys.modules if name.partition('.')[0] not in sys.stdlib_module_names])"
    )
    said = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(eval(said)) <= {"scoring_server", "__main__", "sitecustomize"}, said


@pytest.mark.slow
def test_it_says_that_it_is_well_only_once_its_example_was_answered(tmp_path: Path) -> None:
    with scoring(odd_model(tmp_path / "model", do("sleep1")), tmp_path / "log", ODD_LOADS="2") as running:
        running.until(503)
        assert running.ask(DO).status_code in {200, 503}
        running.until(200)
        assert "The model is loaded" in running.log.read_text()


@pytest.mark.slow
def test_a_model_that_fails_its_own_example_is_never_well(tmp_path: Path) -> None:
    with scoring(odd_model(tmp_path / "model", do("raise")), tmp_path / "log") as running:
        running.until(500)
        with httpx.Client(trust_env=False) as client:
            assert "the example that was saved with it" in client.get(f"{running.url}/ping").text
        time.sleep(0.2)
        assert running.ping() == 500
        lines = running.log.read_text().splitlines()
        assert lines[-1].endswith("RuntimeError: a model's own trouble")
        assert lines[-2] == "RuntimeError: a model's own trouble"
        assert any("in predict" in line for line in lines[-13:-2])


@pytest.mark.slow
@pytest.mark.parametrize(
    "body", [b"", b"<p>no</p>", b"[1]", b'{"message": "x"}', b'{"stack_trace": "", "message": "x"}']
)
def test_an_error_that_is_not_mlflows_is_told_as_it_is(body: bytes) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SERVER.parent)!r}); import scoring_server;"
        f"print(repr(scoring_server.cause({body!r})))"
    )
    said = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == repr([body.decode()])


@pytest.mark.slow
def test_a_model_that_does_not_load_ends_the_container_and_leaves_its_reason(tmp_path: Path) -> None:
    code = "def _load_pyfunc(path):\n    import no_such_library_here\n"
    with scoring(odd_model(tmp_path / "model", code=code), tmp_path / "log") as running:
        assert running.process.wait(60) == 1
        assert "no_such_library_here" in running.log.read_text()
    (tmp_path / "empty").mkdir()
    with scoring(tmp_path / "empty", tmp_path / "log") as running:
        assert running.process.wait(60) == 1
        assert "neither an MLmodel nor an .onnx" in running.log.read_text()


@pytest.mark.slow
def test_one_connection_carries_many_requests_also_sent_at_once(server: Scoring) -> None:
    with httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=1)) as client:
        for word in ("a", "b"):
            answer = client.post(f"{server.url}/invocations", json=do(word))
            assert answer.json() == {"predictions": [word]}
            assert answer.headers["connection"] == "keep-alive"
    body = json.dumps(do("x")).encode()
    one = (
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
        + body
    )
    last = one.replace(b"Host: x", b"Connection: close")
    assert server.raw(one + one + last).count(b'{"predictions": ["x"]}') == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b" 400 "),
        (b"GET http://elsewhere/ping HTTP/1.1\r\n\r\n", b" 400 "),
        (b"GET /ping SPDY/9\r\n\r\n", b" 400 "),
        (b"GET /ping HTTP/1.1\r\nno colon\r\n\r\n", b" 400 "),
        (b"GET /ping HTTP/1.1\r\n name: folded\r\n\r\n", b" 400 "),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b" 400 "),
        (b"GET /ping HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\nConnection: close\r\n\r\na", b" 400 "),
        (
            b"GET /ping HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            b" 411 ",
        ),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b" 400 "),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b" 400 "),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b" 411 "),
        (b"POST /invocations HTTP/1.1\r\n\r\n", b" 411 "),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: 16777217\r\n\r\n", b" 413 "),
        (b"GET /ping HTTP/1.1\r\na: " + b"x" * 70_000 + b"\r\n\r\n", b" 431 "),
        (b"GET /elsewhere HTTP/1.1\r\nConnection: close\r\n\r\n", b" 404 "),
        (b"GET /invocations HTTP/1.1\r\nConnection: close\r\n\r\n", b" 405 "),
        (b"POST /ping HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", b" 405 "),
        (b"GET /ping HTTP/1.0\r\n\r\n", b" 200 "),
    ],
)
def test_what_is_no_request_is_refused_and_ends_nothing(server: Scoring, sent: bytes, status: bytes) -> None:
    assert status in server.raw(sent).partition(b"\r\n")[0] + b" "
    assert server.ask(do("a")).json() == {"predictions": ["a"]}


@pytest.mark.parametrize("word", ["raise", "exit"])
def test_whatever_a_model_raises_is_an_answer(server: Scoring, word: str) -> None:
    answer = server.ask(do(word))
    assert answer.status_code in {400, 500}
    assert server.ask(do("a")).status_code == 200


def test_a_caller_that_breaks_off_leaves_the_others_alone(server: Scoring) -> None:
    server.raw(b"POST /invocations HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf", 0.2)
    assert server.ask(do("a")).status_code == 200


@pytest.mark.slow
def test_one_is_asked_at_a_time_unless_somebody_told(server: Scoring, tmp_path: Path) -> None:
    def most(running: Scoring) -> float:
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(lambda _: running.ask(do("sleep0.1")), range(6)))
        return running.ask(do("most")).json()["predictions"][0]

    assert most(server) == 1
    with scoring(odd_model(tmp_path / "model"), tmp_path / "log", MLOPS_DESK_CONCURRENCY="3") as running:
        running.until(200)
        assert 1 < most(running) <= 3


@pytest.mark.slow
def test_it_is_well_while_it_works_and_not_when_it_is_stuck(tmp_path: Path) -> None:
    with scoring(odd_model(tmp_path / "model"), tmp_path / "log", MLOPS_DESK_STUCK_SECONDS="1") as running:
        running.until(200)
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(running.ask, do("sleep3"))
            time.sleep(0.3)
            assert running.ping() == 200
            running.until(503, 5)
            assert asked.result().status_code == 200
        assert running.ping() == 200


@pytest.mark.slow
def test_the_clouds_name_port_and_paths(tmp_path: Path) -> None:
    model = odd_model(tmp_path / "mounted" / "model").parent
    routes = {"AIP_HEALTH_ROUTE": "/well", "AIP_PREDICT_ROUTE": "/v1/endpoints/7:predict"}
    with scoring(
        model, tmp_path / "log", ("serve",), MLOPS_DESK_MODEL="", AZUREML_MODEL_DIR=str(model), **routes
    ) as one:
        one.until(200)
        assert one.ping("/well") == 200
        assert one.ask({"instances": [{"do": "a"}]}, "/v1/endpoints/7:predict").json() == {"predictions": ["a"]}
    with scoring(model, tmp_path / "log", ("serve",)) as one:
        port = one.port
    with scoring(model, tmp_path / "log", ("serve",), SAGEMAKER_BIND_TO_PORT=str(port), AIP_HTTP_PORT="1") as one:
        one.port = port
        one.until(200)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_whatever_its_model_is_at(tmp_path: Path, sent: signal.Signals) -> None:
    with scoring(odd_model(tmp_path / "model"), tmp_path / "log") as running:
        running.until(200)
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(running.ask, do("sleep60"))
            time.sleep(0.3)
            running.process.send_signal(sent)
            assert running.process.wait(10) == 0
            assert asked.exception(10) is not None


@pytest.mark.slow
def test_a_request_under_way_is_answered_when_the_end_comes(tmp_path: Path) -> None:
    with scoring(odd_model(tmp_path / "model"), tmp_path / "log") as running:
        running.until(200)
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(running.ask, do("sleep0.35"))
            time.sleep(0.15)
            running.process.send_signal(signal.SIGTERM)
            assert asked.result(10).json() == {"predictions": ["sleep0.35"]}
        assert running.process.wait(10) == 0


@pytest.mark.slow
def test_it_ends_while_its_model_is_loaded(tmp_path: Path) -> None:
    with scoring(odd_model(tmp_path / "model"), tmp_path / "log", ODD_LOADS="60") as running:
        running.until(503)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0


KERAS = """
import os

class Told:
    def predict(self, data, params=None):
        return [os.environ.get("KERAS_BACKEND", "")]

def _load_pyfunc(path):
    return Told()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flavour", "environment", "backend"),
    [
        ({"keras_backend": "jax"}, {}, "jax"),
        ({"keras_backend": "jax"}, {"KERAS_BACKEND": "torch"}, "torch"),
        ({"keras_version": "3.15.1"}, {}, ""),
        (None, {}, ""),
    ],
)
def test_keras_gets_the_backend_that_its_model_was_saved_with(
    tmp_path: Path, flavour: dict[str, str] | None, environment: dict[str, str], backend: str
) -> None:
    folder = odd_model(tmp_path / "model", code=KERAS)
    document = json.loads((folder / "MLmodel").read_text())
    document["flavors"]["keras"] = flavour
    (folder / "MLmodel").write_text(json.dumps(document))
    with scoring(folder, tmp_path / "log", **environment) as running:
        running.until(200)
        assert running.ask(DO).json() == {"predictions": [backend]}

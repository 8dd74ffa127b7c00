"""Registries that hang, drip, flood, lie or are none: each costs one request, says why, and holds up nobody."""

import contextlib
import socket
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.mlflow.workers import Workers
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

FLOOD_BYTES = 400 << 20


class Faulty(BaseHTTPRequestHandler):
    """Misbehaves as the first part of the path says."""

    protocol_version = "HTTP/1.1"
    ending = threading.Event()
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        fault = self.path.split("/")[1]
        self.asked.append(fault)
        with contextlib.suppress(ConnectionError):
            getattr(self, fault)()
        self.close_connection = True

    do_POST = do_GET  # noqa: N815 - http.server's name

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def hang(self):
        self.ending.wait(60)

    def drip(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.ending.wait(0.2):
            self.wfile.write(b" ")

    def flood(self):
        self.send_response(200)
        self.send_header("Content-Length", str(FLOOD_BYTES))
        self.end_headers()
        self.wfile.write(b'{"registered_models": [{"name": "')
        for _ in range(FLOOD_BYTES >> 20):
            self.wfile.write(b"x" * (1 << 20))

    def garbage(self):
        self.answer(200, b"\xff\xfe{{{<html>\x1b[31m")

    def broken(self):
        self.answer(500, b"no")

    def login(self):
        self.answer(401, b"who are you?")

    def elsewhere(self):
        self.answer(302, b"", ("Location", f"http://127.0.0.1:{self.server.server_port}/target/"))

    def target(self):
        self.answer(200, b"{}")

    def website(self):
        self.answer(404, b"<html>not here</html>")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def faulty():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Faulty.ending.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    populate(uri, experiment="digits", artifact_location=str(folder), runs=[{"name": "a", "start_time": 1}])
    return uri


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    made = Workers(tmp_path_factory.mktemp("scratch"))
    yield made
    made.stop()


def models(workers, uri, seconds=20.0):
    return workers.ask(uri, "models", {}, {}, seconds)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("hang", TimedOut),
        ("drip", TimedOut),
        ("garbage", Unavailable),
        ("broken", Unavailable),
        ("login", Refused),
        ("elsewhere", Refused),
        ("website", Unavailable),
    ],
)
def test_each_fault_has_its_kind_and_the_next_request_is_served(workers, faulty, store, fault, kind):
    with pytest.raises(kind) as caught:
        models(workers, f"{faulty}/{fault}", 4.0 if kind is TimedOut else 20.0)
    assert type(caught.value) is kind
    assert len(caught.value.message) < 1000
    assert caught.value.message.isprintable()
    assert "target" not in Faulty.asked
    assert models(workers, store) == []


def test_a_flood_costs_the_worker_and_nothing_else(workers, faulty, store):
    with pytest.raises(Unavailable):
        models(workers, f"{faulty}/flood", 40.0)
    assert models(workers, store) == []


def test_nothing_at_the_port_is_said(workers):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable) as caught:
            models(workers, f"http://127.0.0.1:{free.getsockname()[1]}")
    assert "Nothing answers" in caught.value.message


def test_while_one_hangs_another_answers_and_an_end_ends_all(faulty, store, tmp_path):
    workers = Workers(tmp_path, limit=2)
    outcome = []

    def hang():
        try:
            models(workers, f"{faulty}/hang", 100.0)
        except DeskError as error:
            outcome.append(error)

    before = Faulty.asked.count("hang")
    thread = threading.Thread(target=hang)
    thread.start()
    while Faulty.asked.count("hang") == before:
        time.sleep(0.05)
    assert models(workers, store) == []
    assert not outcome
    workers.stop()
    thread.join(20)
    assert isinstance(outcome[0], Unavailable)
    with pytest.raises(Unavailable):
        models(workers, store)


def test_a_worker_that_went_home_is_replaced(store, tmp_path):
    workers = Workers(tmp_path, idle_seconds=0.2)
    try:
        assert models(workers, store) == []
        (worker,) = workers._workers
        while not worker.ended:
            time.sleep(0.05)
        assert models(workers, store) == []
        assert worker not in workers._workers
    finally:
        workers.stop()


def test_a_store_is_read_where_it_is_and_never_made(workers, tmp_path):
    with pytest.raises(NotFound):
        models(workers, f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_experiment_names_the_nearest(workers, store):
    with pytest.raises(NotFound) as caught:
        workers.ask(store, "runs", {"experiment": "digit", "sort": None, "limit": 5}, {}, 20.0)
    assert "digits" in caught.value.hint


def test_a_store_of_another_schema_says_so_and_is_left_alone(workers, store, tmp_path):
    old = tmp_path / "old.db"
    current = sqlite3.connect(store.removeprefix("sqlite:///"))
    with contextlib.closing(current) as source, contextlib.closing(sqlite3.connect(old)) as target:
        source.backup(target)
        target.execute("UPDATE alembic_version SET version_num = '0584bdc529eb'")
        target.commit()
    with pytest.raises(Refused) as caught:
        models(workers, f"sqlite:///{old}")
    assert "mlflow db upgrade" in caught.value.hint
    with contextlib.closing(sqlite3.connect(old)) as reader:
        assert reader.execute("SELECT version_num FROM alembic_version").fetchall() == [("0584bdc529eb",)]


def test_a_folder_of_runs_is_a_registry_too(workers, tmp_path):
    folder = tmp_path / "mlruns"
    populate(str(folder), experiment="digits", runs=[{"name": "a", "start_time": 1, "metrics": {"m": "inf"}}])
    (run,) = workers.ask(str(folder), "runs", {"experiment": "digits", "sort": "metrics.m:desc", "limit": 5}, {}, 20.0)
    assert run["metrics"] == {"m": float("inf")}

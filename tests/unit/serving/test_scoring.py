"""A version's answers to rows: typed by its signature, in batches, one for each row; what comes back is hostile."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.experiments.version_scorer import PLACE, ReadyVersion, VersionScoring
from mlops_desk.serving.revision import NO_GPU, Failed, Revision, Shelf
from mlops_desk.serving.test_requests import Silent

VERSION = ModelVersion("iris", "2", "run", None, "READY")
FEATURES = (LoggedFeature("width", "double"), LoggedFeature("count", "long"), LoggedFeature("colour", "text"))


@contextmanager
def model(answer) -> Iterator[tuple[str, list]]:
    """A container's scoring server: ``answer`` makes (status, body) of the rows that it is asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            status, body = answer(asked[-1]["dataframe_split"]["data"])
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def right(rows):
    return 200, json.dumps({"predictions": [row[0] for row in rows]}).encode()


def work() -> BesideWork:
    return BesideWork("The scoring", Loop("test").ending)


def laid(folder: Path, rows: list[dict]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"features": row, "label": "secret", "groups": {}}) + "\n" for row in rows))
    return path


def test_rows_are_sent_as_the_signature_has_them_and_no_label_with_them(tmp_path: Path) -> None:
    rows = [{"colour": "red", "width": "1.5", "count": "3", "more": 1}, {"width": "", "count": 4, "colour": "blue"}]
    with model(right) as (address, asked):
        ready = ReadyVersion(VERSION, address, FEATURES, 10)
        assert ready.answer(laid(tmp_path, rows), tmp_path / "told.json", work()) == 2
    assert asked == [
        {"dataframe_split": {"columns": ["width", "count", "colour"], "data": [[1.5, 3, "red"], [None, 4, "blue"]]}}
    ]
    assert json.loads((tmp_path / "told.json").read_text()) == [1.5, None]


@pytest.mark.slow
def test_many_rows_go_in_batches_and_keep_their_order(tmp_path: Path) -> None:
    rows = [{"width": at} for at in range(1201)]
    with model(right) as (address, asked):
        ready = ReadyVersion(VERSION, address, FEATURES[:1], 10)
        assert ready.answer(laid(tmp_path, rows), tmp_path / "told.json", work()) == 1201
    assert [len(one["dataframe_split"]["data"]) for one in asked] == [500, 500, 201]
    assert json.loads((tmp_path / "told.json").read_text()) == list(range(1201))


def test_a_model_without_signature_gets_all_that_is_no_label(tmp_path: Path) -> None:
    with model(right) as (address, asked):
        ReadyVersion(VERSION, address, (), 10).answer(laid(tmp_path, [{"a": 1, "b": 2}]), tmp_path / "t", work())
    assert asked[0]["dataframe_split"]["columns"] == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (500, b"<b>boom</b>\x1b[31m", Refused, "status 500"),
        (200, b"{", Invalid, "no JSON"),
        (200, b'{"predictions": [1, 2, 3]}', Invalid, "3 answers to 1 rows"),
        (200, b'{"predictions": {"a": 1}}', Invalid, "no answers to 1 rows"),
        (200, b"[" * 100_000, Invalid, "no JSON"),
    ],
)
def test_what_is_no_answer_is_refused_with_the_version_named(status, body, error, said) -> None:
    with model(lambda _rows: (status, body)) as (address, _), pytest.raises(error, match=said) as raised:
        ReadyVersion(VERSION, address, FEATURES, 10).asked([{"width": 1}], 0)
    assert "Version 2 of iris" in raised.value.message
    assert "\x1b" not in raised.value.message


def test_a_value_that_the_signature_does_not_take_is_named_by_its_row(tmp_path: Path) -> None:
    with model(right) as (address, _), pytest.raises(Invalid, match="Row 2 of the data, column width"):
        ready = ReadyVersion(VERSION, address, FEATURES[:1], 10)
        ready.answer(laid(tmp_path, [{"width": "1"}, {"width": "wide"}]), tmp_path / "t", work())


@pytest.mark.parametrize("word", ["NaN", "-Infinity", "1e999", "-1e400"])
def test_a_number_that_is_none_is_no_answer_and_a_model_that_is_gone_is_unavailable(tmp_path: Path, word: str) -> None:
    body = f'{{"predictions": [[0.5, {word}]]}}'.encode()
    with model(lambda _rows: (200, body)) as (address, _):
        ready = ReadyVersion(VERSION, address, FEATURES, 10)
        assert ready.answer(laid(tmp_path, [{"width": 1}]), tmp_path / "told.json", work()) == 1
        assert json.loads((tmp_path / "told.json").read_text()) == [[0.5, None]]
    with pytest.raises(Silent, match="does not answer 1 rows"):
        ready.asked([{"width": 1}], 0)


def test_what_it_costs_is_told_of_a_warm_golden_batch(tmp_path: Path) -> None:
    with model(right) as (address, asked):
        cost = ReadyVersion(VERSION, address, FEATURES[:1], 77).cost(
            laid(tmp_path, [{"width": at} for at in range(120)])
        )
    assert (cost.size_bytes, cost.batch, len(asked)) == (77, 100, 8)
    assert cost.batch_seconds > 0
    (tmp_path / "none").write_text("")
    assert ReadyVersion(VERSION, "", (), 77).cost(tmp_path / "none").batch_seconds is None


class House:
    """What versions are made of and run in; ``fails`` are images that don't start."""

    def __init__(self, folder: Path, fails=(), instead=None, made=None):
        self.shelf, self.fails, self._instead, self._made = Shelf(folder), fails, instead, made
        self.started, self.ended, self.dropped = [], [], []
        self.free, self.gpus = 1, []

    def make(self, revision: Revision, tell) -> Revision:
        if self._made is not None:
            raise self._made
        files = self.shelf.place(PLACE, revision.number) / "model"
        files.mkdir(parents=True)
        (files / "MLmodel").write_text("flavors: {python_function: {python_version: '3.11'}}\n")
        return SimpleNamespace(image="trained", served=None, number=revision.number, version=revision.version)

    def instead(self, made, tell):
        return self._instead and SimpleNamespace(image=self._instead)

    def check_gpus(self, count):
        if count > self.free:
            raise Failed(NO_GPU, "GPU 0 is held by job train.", None, "mlops-desk gpus cards")

    @contextmanager
    def serving(self, image, model, seconds, work, gpus=0):
        self.started.append(image)
        self.gpus.append(gpus)
        if image in self.fails:
            raise Refused("The model does not start.")
        try:
            yield "address"
        finally:
            self.ended.append(image)

    def drop(self, images):
        self.dropped.append(images)

    def number(self, _name):
        return 60.0

    def scoring(self) -> VersionScoring:
        return VersionScoring(self.shelf, self, self, self, self)


def test_a_version_is_started_in_its_training_image_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.scoring().ready(VERSION, work()) as ready:
        assert (ready.address, ready.size_bytes) == ("address", 53)
    assert (house.started, house.ended, house.dropped) == (["trained"], ["trained"], [{"trained"}])
    assert not list((tmp_path / PLACE).glob("revisions/*"))


def test_where_its_training_image_can_not_serve_one_is_built_instead(tmp_path: Path) -> None:
    house = House(tmp_path, fails={"trained"}, instead="built")
    with house.scoring().ready(VERSION, work()):
        pass
    assert (house.started, house.dropped) == (["trained", "built"], [{"trained", "built"}])
    with (
        pytest.raises(Refused, match="does not start"),
        House(tmp_path, fails={"trained"}).scoring().ready(VERSION, work()),
    ):
        pass


def test_what_goes_wrong_while_it_answers_is_told_and_no_other_image_is_tried(tmp_path: Path) -> None:
    house = House(tmp_path, instead="built")
    scoring = house.scoring()
    with pytest.raises(Refused, match="bad rows"), scoring.ready(VERSION, work()):
        raise Refused("bad rows")
    assert house.started == ["trained"]
    with scoring.ready(VERSION, work()):
        pass  # the next one gets its turn


def test_a_version_that_can_not_be_made_says_why(tmp_path: Path) -> None:
    house = House(tmp_path, made=Failed("download_failed", "The files are gone.", None, "Look."))
    with pytest.raises(Refused, match="The files are gone"), house.scoring().ready(VERSION, work()):
        pass


def test_one_that_needs_a_gpu_gets_it_in_whichever_image_and_waits_while_jobs_have_them_all(tmp_path: Path) -> None:
    house = House(tmp_path, fails={"trained"}, instead="built")
    with house.scoring().ready(VERSION, work(), 1):
        pass
    assert house.gpus == [1, 1]
    house.free = 0
    with pytest.raises(Unavailable, match="held by job train"), house.scoring().ready(VERSION, work(), 1):
        pass
    assert (house.gpus, house.dropped) == ([1, 1], [{"trained", "built"}]), "no image is made while it waits"

"""A column that must not be logged is nowhere in the log's folder, whatever form it came in."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.request_log.files import connect, schema_of
from mlops_desk.kit.storage.request_log.layout import parts
from mlops_desk.kit.storage.request_log.query import RequestQuery, find
from mlops_desk.kit.storage.request_log.redaction import HASHED, rules_of
from mlops_desk.kit.storage.requests import LoggedFeature
from mlops_desk.serving.gateway.request_log.log import RequestLog
from mlops_desk.serving.gateway.request_log.redaction import redacted
from mlops_desk.serving.gateway.routes import EndpointRoutes, Route, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange, Spool

SECRET = "xq7secret"
FEATURES = (LoggedFeature("age", "long"), LoggedFeature("ssn", "text"))
JSON = "application/json"
FORMS = {
    "split": {"dataframe_split": {"columns": ["age", "ssn"], "data": [[30, SECRET]]}},
    "records": {"dataframe_records": [{"age": 30, "ssn": SECRET}]},
    "other case": {"dataframe_records": [{"age": 30, "SSN": SECRET}]},
    "instances": {"instances": [{"age": 30, "ssn": SECRET}]},
    "by place": {"instances": [[30, SECRET]]},
    "inputs by place": {"inputs": [[30, SECRET]]},
    "columns": {"inputs": {"age": [30], "ssn": [SECRET]}},
    "nested": {"dataframe_records": [{"age": 30, "more": [{"deep": {"ssn": SECRET}}]}]},
    "tensors": {
        "inputs": [
            {"name": "age", "shape": [1], "datatype": "INT64", "data": [30]},
            {"name": "ssn", "shape": [1], "datatype": "BYTES", "data": [SECRET]},
        ]
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def log(folder: Path) -> Iterator[RequestLog]:
    made = RequestLog(Loop("test"))
    made.follow(table(folder))
    yield made
    made._spools[made._logs["front"]].close()


def table(folder: Path, redacted: tuple[str, ...] = ("ssn",)) -> RoutingTable:
    routes = (Route(1, 1.0, features=FEATURES),)
    return RoutingTable(endpoints={"front": EndpointRoutes(routes, str(folder), redacted=redacted)})


def exchange(
    body: bytes, content_type: str = JSON, status: int = 200, answer: bytes = b'{"predictions": [1]}'
) -> Exchange:
    return Exchange("id", 1_900_000_000.0, 1, status, 0.1, content_type, body, answer)


def is_anywhere(folder: Path, secret: str = SECRET) -> bool:
    found = [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    told = [str(request) for request in find(folder, RequestQuery(100))]
    return bool(found) or any(secret in text for text in told)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_it_is_neither_in_the_spool_nor_in_the_parts(log: RequestLog, folder: Path, form: str) -> None:
    answer = json.dumps({"predictions": [{"label": "x", "ssn": SECRET}]}).encode()
    assert log.keep("front", exchange(json.dumps(FORMS[form]).encode(), answer=answer))
    log.write()
    assert (folder / "spool.records").stat().st_size > 0
    assert not is_anywhere(folder)
    log.roll()
    assert not is_anywhere(folder)
    (request,) = find(folder, RequestQuery(10))
    assert request.inputs["age"] == 30
    assert dict(request.outputs) == {"label": "x"}


@pytest.mark.slow
def test_csv_is_redacted_by_its_header(log: RequestLog, folder: Path) -> None:
    body = f'age,"ssn",city\n30,"{SECRET}",Bonn\n31,{SECRET},"a,b"\n'.encode()
    assert log.keep("front", exchange(body, "text/csv; charset=utf-8", answer=b"[1, 2]"))
    log.roll()
    assert not is_anywhere(folder)
    assert [dict(request.inputs) for request in find(folder, RequestQuery(10))] == [
        {"age": 30, "city": "Bonn"},
        {"age": 31, "city": "a,b"},
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "body", [f'{{"ssn": "{SECRET}"', f"{SECRET}\udcff".encode("utf-8", "surrogateescape").decode("latin-1")]
)
def test_what_cannot_be_read_is_not_kept(log: RequestLog, folder: Path, body: str) -> None:
    for content_type in (JSON, "text/plain"):
        assert log.keep("front", exchange(body.encode(), content_type, 400, f"bad value {SECRET}".encode()))
    assert log.keep("front", exchange(body.encode(), answer=json.dumps([SECRET]).encode()))
    log.roll()
    assert not is_anywhere(folder)
    assert len(find(folder, RequestQuery(10))) == 3


def test_the_answer_to_a_request_that_failed_is_not_kept(log: RequestLog, folder: Path) -> None:
    body = json.dumps(FORMS["records"]).encode()
    assert log.keep("front", exchange(body, status=500, answer=json.dumps({"error": f"odd {SECRET}"}).encode()))
    log.roll()
    assert not is_anywhere(folder)


@pytest.mark.slow
def test_feedback_is_redacted_too(log: RequestLog, folder: Path) -> None:
    assert log.feedback("front", json.dumps({"request_id": "id", "truth": 1, "ssn": SECRET}).encode()) == 1
    log.write()
    assert not is_anywhere(folder)
    log.roll()
    assert not is_anywhere(folder)


@pytest.mark.slow
def test_what_was_spooled_before_the_rule_is_redacted_as_it_is_rolled_up(folder: Path) -> None:
    before = Spool(folder)
    answer = json.dumps({"predictions": [{"label": "x", "ssn": SECRET}]}).encode()
    before.append([exchange(json.dumps(FORMS["by place"]).encode(), answer=answer)])
    before.close()
    after = RequestLog(Loop("test"))
    after.follow(table(folder))
    after.roll()
    assert not is_anywhere(folder)
    assert len(find(folder, RequestQuery(10))) == 1


def test_nothing_is_changed_without_a_rule(folder: Path) -> None:
    plain = RequestLog(Loop("test"))
    plain.follow(table(folder, redacted=()))
    assert plain.keep("front", exchange(b'{"instances": [[30,   "x"]]}'))
    plain.write()
    assert b'{"instances": [[30,   "x"]]}' in (folder / "spool.records").read_bytes()
    plain._spools[plain._logs["front"]].close()


def test_a_lone_column_without_a_name_is_blanked() -> None:
    sent = exchange(b'{"instances": ["a", "b"]}')
    assert json.loads(redacted(sent, rules_of(["text"]), ["text"]).body) == {"instances": [None, None]}
    assert json.loads(redacted(sent, rules_of(["other"]), ["text"]).body) == {"instances": ["a", "b"]}


def rewriting(folder: Path, *, key: str, masked: tuple[str, ...] = (), hashed: tuple[str, ...] = ()) -> RoutingTable:
    routes = (Route(1, 1.0, features=FEATURES),)
    rules = EndpointRoutes(routes, str(folder), masked=masked, hashed=hashed, redaction_key=key)
    return RoutingTable(endpoints={"front": rules})


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["mask", "hash"])
def test_a_masked_or_hashed_value_is_logged_as_a_word_and_only_as_that(folder: Path, form: str, way: str) -> None:
    log = RequestLog(Loop("test"))
    ways = {"masked": ("ssn",)} if way == "mask" else {"hashed": ("ssn",)}
    log.follow(rewriting(folder, key="ab" * 32, **ways))
    answer = json.dumps({"predictions": [{"label": "x", "ssn": SECRET}]}).encode()
    assert log.keep("front", exchange(json.dumps(FORMS[form]).encode(), answer=answer))
    log.write()
    assert not is_anywhere(folder)
    log.roll()
    assert not is_anywhere(folder)
    (request,) = find(folder, RequestQuery(10))
    word = r"\*\*\*" if way == "mask" else HASHED
    told = str(request.inputs) + str(request.outputs)
    assert re.search(word, told)
    assert request.inputs["age"] == 30
    log._spools[log._logs["front"]].close()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/csv", b"age,ssn\n30,77\n31,77\n"), (JSON, b'{"instances": [[30, 77], [31, 77.0]]}')],
)
def test_the_same_value_is_hashed_to_the_same_word_however_it_is_sent(
    folder: Path, content_type: str, body: bytes
) -> None:
    log = RequestLog(Loop("test"))
    log.follow(rewriting(folder, key="ab" * 32, hashed=("SSN",)))
    assert log.keep("front", exchange(body, content_type))
    log.roll()
    words = {request.inputs["ssn"] for request in find(folder, RequestQuery(10))}
    assert words == {rules_of(hashed=["ssn"], key="ab" * 32).value("ssn", 77)}
    log._spools[log._logs["front"]].close()


def test_a_number_that_was_masked_is_a_text_of_the_log(folder: Path) -> None:
    log = RequestLog(Loop("test"))
    log.follow(rewriting(folder, key="", masked=("age",)))
    assert log.keep("front", exchange(b'{"instances": [[30, "a"]]}'))
    log.roll()
    (request,) = find(folder, RequestQuery(10))
    assert dict(request.inputs) == {"age": "***", "ssn": "a"}
    (part,) = parts(folder)
    with closing(connect(folder)) as connection:
        assert schema_of(connection, part.path)["age"] == "VARCHAR", "else each row would have an odd value"
    log._spools[log._logs["front"]].close()


def test_without_a_key_what_was_to_be_hashed_is_not_logged(folder: Path) -> None:
    log = RequestLog(Loop("test"))
    log.follow(rewriting(folder, key="", hashed=("ssn",)))
    assert log.keep("front", exchange(json.dumps(FORMS["records"]).encode()))
    log.roll()
    assert not is_anywhere(folder)
    assert dict(find(folder, RequestQuery(10))[0].inputs) == {"age": 30}
    log._spools[log._logs["front"]].close()


def test_feedback_is_masked_and_hashed_too(folder: Path) -> None:
    log = RequestLog(Loop("test"))
    log.follow(rewriting(folder, key="ab" * 32, hashed=("ssn",), masked=("who",)))
    told = {"request_id": "id", "truth": 1, "ssn": SECRET, "who": SECRET}
    assert log.feedback("front", json.dumps(told).encode()) == 1
    assert log.keep("front", exchange(b'{"instances": [[30, "a"]]}'))
    log.roll()
    assert not is_anywhere(folder)
    (request,) = find(folder, RequestQuery(10))
    assert (request.feedback["truth"], request.feedback["who"]) == (1, "***")
    assert re.fullmatch(HASHED, request.feedback["ssn"])
    log._spools[log._logs["front"]].close()

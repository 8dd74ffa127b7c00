"""Servers that drip, flood, lie, send us elsewhere or show bad certificates: each is an error that says what to do."""

import gzip
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.rest.session import AnswerLimits
from tests.authority import Authority
from tests.proxy_double import ProxyDouble
from tests.unit.registry.rest.rig import USUAL, Question, ok, plain, reading

NOTHING = {"experiments": []}


def fails(answer: object, limits: AnswerLimits = USUAL, **given: object) -> DeskError:
    with reading(answer, limits=limits, **given) as (reader, _), pytest.raises(DeskError) as raised:  # type: ignore[arg-type]  # each test's own
        reader.experiments()
    return raised.value


def test_an_answer_is_asked_for_as_it_is_given_and_nothing_of_the_environment_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with reading(lambda _: ok(NOTHING), headers={"Authorization": "Bearer t"}) as (reader, server):
        assert reader.experiments() == []
    (question,) = server.asked
    assert (question.method, question.path) == ("POST", "/api/2.0/mlflow/experiments/search")
    assert question.headers["authorization"] == "Bearer t"
    assert question.given == {"max_results": 1000, "view_type": "ACTIVE_ONLY"}


def test_a_packed_answer_is_unpacked() -> None:
    with reading(lambda _: ok(gzip.compress(b'{"experiments": []}'), "Content-Encoding: gzip")) as (reader, _):
        assert reader.experiments() == []
    with reading(lambda _: ok(zlib.compress(b'{"experiments": []}'), "Content-Encoding: deflate")) as (reader, _):
        assert reader.experiments() == []


@pytest.mark.slow
def test_an_answer_that_drips_ends_at_the_deadline_of_all_of_it() -> None:
    def drip(_: Question) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 x\r\nContent-Length: 100000\r\n\r\n"
        while True:
            time.sleep(0.05)
            yield b" "

    began = time.monotonic()
    error = fails(drip, AnswerLimits(0.5, 1 << 20))
    assert isinstance(error, TimedOut)
    assert "did not give a whole answer within 0.5 s" in error.message
    assert time.monotonic() - began < 4


@pytest.mark.slow
def test_a_head_that_drips_ends_too_and_the_reader_can_be_asked_again() -> None:
    slow = [True]

    def drip(_: Question) -> Iterator[bytes]:
        if not slow:
            yield from ok(NOTHING)
            return
        yield b"HTTP/1.1 200 x\r\n"
        while True:
            time.sleep(0.05)
            yield b"X-More: y\r\n"

    with reading(drip, limits=AnswerLimits(0.3, 1 << 20)) as (reader, _):
        with pytest.raises(TimedOut):
            reader.experiments()
        slow.clear()
        assert reader.experiments() == []


def test_a_flood_is_refused_while_it_comes() -> None:
    sent = [0]

    def flood(_: Question) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 x\r\nContent-Length: 1073741824\r\n\r\n"
        for _number in range(1024):
            sent[0] += 1 << 20
            yield b" " * (1 << 20)

    error = fails(flood)
    assert isinstance(error, Unavailable)
    assert "more than 1 MiB" in error.message
    assert sent[0] < 64 << 20


@pytest.mark.slow
def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    assert len(bomb) < 100_000
    assert "more than 1 MiB" in fails(lambda _: ok(bomb, "Content-Encoding: gzip")).message


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html>hello</html>", ()),
        (b"", ()),
        (b"[1, 2", ()),
        (b"[" * 100_000, ()),
        (b'{"experiments": 7}', ()),
        (b'{"experiments": [{"name": "no id"}]}', ()),
        (b"\xff\xfe", ()),
        (b"not gzip", ("Content-Encoding: gzip",)),
        (b"x", ("Content-Encoding: br",)),
    ],
)
def test_what_is_no_answer_of_mlflow_is_said_to_be_none(body: bytes, headers: tuple[str, ...]) -> None:
    error = fails(lambda _: ok(body, *headers))
    assert isinstance(error, Unavailable)
    assert error.message.startswith("http://ml.example does not answer like an MLflow server: ")
    assert "address of an MLflow tracking server" in str(error.hint)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (401, b"", Refused, "asks for a login"),
        (403, b'{"message": "no\\u0007 entry"}', Refused, "does not allow this: no\\x07 entry"),
        (404, b"<html>", Unavailable, "has nothing at the addresses of MLflow"),
        (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No run x"}', NotFound, "No run x"),
        (400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "bad"}', Invalid, "does not accept this: bad"),
        (407, b"", Refused, "proxy on the way"),
        (500, b"oops", Unavailable, "failed at this (status 500)."),
        (503, b'{"message": 5}', Unavailable, "failed at this (status 503)."),
    ],
)
def test_each_refusal_says_what_it_is(status: int, body: bytes, kind: type[DeskError], said: str) -> None:
    error = fails(lambda _: plain(status, body))
    assert isinstance(error, kind)
    assert said in error.message


def test_a_login_that_is_not_accepted_is_told_from_none() -> None:
    error = fails(lambda _: plain(401, b""), headers={"Authorization": "Bearer old"})
    assert "does not accept the login" in error.message
    assert "old" not in error.message + str(error.hint)


def test_a_redirect_is_not_followed_and_no_login_reaches_another_host() -> None:
    with reading(lambda _: ok(NOTHING)) as (_, elsewhere):

        def lead(_: Question) -> Iterator[bytes]:
            return plain(302, b"", f"Location: {elsewhere.uri}/login?state=secret")

        error = fails(lead, headers={"Authorization": "Bearer t"})
        assert elsewhere.asked == []
    assert isinstance(error, Refused)
    assert f"sends us to {elsewhere.uri}/login;" in error.message
    assert "secret" not in error.message


def test_nobody_there_and_an_answer_that_breaks_off() -> None:
    assert "Nothing answers at http://ml.example" in fails(lambda _: ok({}), uri="http://127.0.0.1:9").message
    assert "broke off" in fails(lambda _: iter([b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n{"])).message
    assert "broke off" in fails(lambda _: iter([b"what?\r\n\r\n"])).message


def test_a_certificate_is_verified_by_the_systems_authorities_and_a_persons_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server_context()
    error = fails(lambda _: ok(NOTHING), tls=context)
    assert "certificate of http://ml.example is not trusted" in error.message
    assert error.hint is not None
    assert "network.ca_bundle" in error.hint
    with reading(lambda _: ok(NOTHING), tls=context, ca=authority.file) as (reader, _):
        assert reader.experiments() == []


def test_a_server_without_tls_is_not_asked_in_the_clear() -> None:
    with reading(lambda _: ok(NOTHING)) as (_, server):
        error = fails(lambda _: ok(NOTHING), uri=f"https://127.0.0.1:{server.port}")
        assert "No encrypted connection" in error.message
        assert server.asked == []


@pytest.mark.slow
def test_it_goes_by_way_of_the_proxy_that_is_named() -> None:
    proxy = ProxyDouble()
    try:
        with reading(lambda _: ok(NOTHING)) as (_, server):
            proxy.hosts["ml.lab"] = server.port
            with reading(lambda _: ok({}), uri=f"http://ml.lab:{server.port}", proxy=proxy.address) as (reader, _):
                with pytest.raises(DeskError):  # the double forwards no POST
                    reader.experiments()
                assert reader.models() == []
        assert any("ml.lab" in what for _, what in proxy.asked)
    finally:
        proxy.close()

"""One question and its answer on a real socket: whole however it is cut, and an error where it is not whole."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.api import exchange
from mlops_desk.kit.api.exchange import (
    AgentReply,
    ConnectError,
    ExchangeError,
    Inquiry,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    opened,
)

HEAD = b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\n"
JSON_HEAD = b"Content-Type: application/json\r\nContent-Length: 9\r\nHost: agent\r\n"
SECONDS = 20.0


def answered(*pieces: bytes) -> AgentReply:
    """Return the answer that comes in these pieces, after which the other side closes."""
    here, there = socket.socketpair()
    here.settimeout(SECONDS)
    with there:
        for piece in pieces:
            there.sendall(piece)
    return AgentReply(here)


@contextmanager
def listening(path: Path, *, let_in: bool = True) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        if let_in:
            listener.listen(1)
        yield listener


def by_h11(body: list[bytes], *, chunked: bool) -> bytes:
    """Return an answer as the agent's own library writes it."""
    side = h11.Connection(h11.SERVER)
    side.receive_data(Inquiry("/v1/a/b").told())
    assert isinstance(side.next_event(), h11.Request)
    length = str(sum(map(len, body)))
    headers = [("Transfer-Encoding", "chunked")] if chunked else [("Content-Length", length)]
    sent = [side.send(h11.Response(status_code=200, headers=headers))]
    sent += [side.send(h11.Data(data=piece)) for piece in body]
    return b"".join(part or b"" for part in [*sent, side.send(h11.EndOfMessage())])


@given(st.lists(st.binary(max_size=40), max_size=6), st.booleans(), st.lists(st.integers(0, 300), max_size=5))
@example([], True, [])
@example([b""], False, [1])
@example([b"\r\n0\r\n\r\n"], True, [20, 21])
@example([b"a" * 17, b"\n"], True, [60])
def test_what_the_agents_library_writes_is_read_whole_wherever_it_is_cut(
    body: list[bytes], chunked: bool, cuts: list[int]
) -> None:
    text = by_h11(body, chunked=chunked)
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    with answered(*(text[a:b] for a, b in pairwise(places))) as answer:
        assert (answer.status, answer.is_error) == (200, False)
        assert answer.whole() == b"".join(body)


@given(st.lists(st.text("ab\u2028\x85\x0b é\r", max_size=8), max_size=6), st.integers(1, 9))
@example(["a", "", "b"], 1)
@example(["\u2028"], 2)
def test_lines_end_where_the_agent_ended_them_however_they_come(lines: list[str], size: int) -> None:
    text = "".join(line + "\n" for line in lines).encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    with answered(by_h11(pieces, chunked=True)) as answer:
        assert [line.decode() for line in answer.lines()] == lines


def test_a_last_line_without_an_end_is_a_line() -> None:
    with answered(by_h11([b"one\ntw", b"o"], chunked=True)) as answer:
        assert list(answer.lines()) == [b"one", b"two"]


@given(st.booleans(), st.integers(0, 300))
@example(True, 0)
def test_an_answer_that_ends_in_the_middle_is_never_taken_for_a_whole_one(chunked: bool, missing: int) -> None:
    text = by_h11([b"one", b"two\r\n"], chunked=chunked)
    kept = text[: len(text) - 1 - missing % len(text)]
    with pytest.raises(RemoteProtocolError), answered(kept) as answer:
        answer.whole()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        HEAD + b"\r\n",  # no length at all
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: 1_0\r\n\r\n0123456789",
        HEAD + b"content-length: +3\r\n\r\nabc",
        HEAD + b"content-length: 999999999999\r\n\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"a: b\r\n" * 200 + b"\r\n",
        HEAD + b"x: " + b"y" * 70_000 + b"\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffff\r\n",
    ],
)
def test_what_is_no_answer_is_an_error_and_nothing_is_made_of_it(text: bytes) -> None:
    with pytest.raises(ExchangeError) as caught, answered(text) as answer:
        answer.whole()
    assert type(caught.value) is RemoteProtocolError


def test_pieces_may_have_extensions_and_a_tail() -> None:
    text = HEAD + b"Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n"
    with answered(text) as answer:
        assert answer.whole() == b"abc"
        assert answer.headers["server"] == "uvicorn"


def test_a_question_is_sent_as_it_stands(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            peer, _ = listener.accept()
            with peer:
                asked.append(peer.recv(4096))
                peer.sendall(HEAD + b"content-length: 2\r\n\r\nok")

    with listening(tmp_path / "s") as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        for question in (Inquiry("/v1/jobs/list?limit=3"), Inquiry("/v1/jobs/submit", '{"é": 1}'.encode())):
            with opened(tmp_path / "s", question, SECONDS) as answer:
                assert answer.whole() == b"ok"
        thread.join(SECONDS)
    assert asked == [
        b"GET /v1/jobs/list?limit=3 HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n",
        b"POST /v1/jobs/submit HTTP/1.1\r\n" + JSON_HEAD + b'Connection: close\r\n\r\n{"\xc3\xa9": 1}',
    ]


def test_nobody_who_listens_is_told_apart_from_one_who_says_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / ("long" * 40)):
        with pytest.raises(ConnectError):
            opened(path, Inquiry("/"), SECONDS)
    with listening(tmp_path / "deaf", let_in=False), pytest.raises(ConnectError):
        opened(tmp_path / "deaf", Inquiry("/"), SECONDS)
    with listening(tmp_path / "mute"), pytest.raises(ReadTimeout):
        opened(tmp_path / "mute", Inquiry("/"), 0.05)


def test_an_agent_that_stops_in_the_middle_is_given_up_in_time(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as listener:
        given_up = threading.Event()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(HEAD + b"content-length: 9\r\n\r\nhalf")
                given_up.wait(SECONDS)

        thread = threading.Thread(target=serve)
        thread.start()
        with opened(tmp_path / "s", Inquiry("/"), 0.2) as answer, pytest.raises(ReadTimeout):
            answer.whole()
        given_up.set()
        thread.join(SECONDS)


def test_who_reads_no_further_can_still_say_why(tmp_path: Path) -> None:
    def serve(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 422 x\r\ncontent-length: 4\r\n\r\nmuch")
            peer.shutdown(socket.SHUT_RD)
            time.sleep(0.05)

    with listening(tmp_path / "s") as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with opened(tmp_path / "s", Inquiry("/", b"x" * (8 << 20)), SECONDS) as answer:
            assert (answer.is_error, answer.whole()) == (True, b"much")
        thread.join(SECONDS)


def test_an_answer_that_another_thread_hangs_up_ends() -> None:
    here, there = socket.socketpair()
    with there:
        there.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\na\n\r\n")
        with AgentReply(here) as answer:
            lines = answer.lines()
            assert next(lines) == b"a"
            threading.Timer(0.1, lambda: here.shutdown(socket.SHUT_RDWR)).start()
            with pytest.raises((RemoteProtocolError, ReadError)):
                next(lines)


def test_a_list_of_ten_thousand_jobs_is_far_below_what_an_answer_may_have() -> None:
    assert exchange._LIMIT_BYTES == 268_435_456

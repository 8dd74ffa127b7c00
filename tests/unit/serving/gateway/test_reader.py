"""Bytes become the same requests however they are cut, and what readers could disagree about is no request."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.inbound.reader import REQUEST_END, Malformed, RequestEnd, RequestReader
from mlops_desk.serving.gateway.messages import RequestHead

HEAD = b"POST /d HTTP/1.1\r\nHost: a\r\n"
ONE = HEAD + b"content-length: 2\r\n\r\n{}"
CHUNKS = HEAD + b"transfer-encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"
BROKEN = HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"

bodies = st.binary(max_size=40)
messages = st.one_of(
    bodies.map(lambda body: HEAD + b"content-length: %d\r\n\r\n" % len(body) + body),
    st.lists(st.binary(min_size=1, max_size=20), max_size=4).map(
        lambda pieces: HEAD + b"transfer-encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    ),
    st.just(b"GET /x?y=1 HTTP/1.1\r\nhost: a\r\n\r\n"), st.just(b"\r\n" + ONE), st.just(CHUNKS), st.just(BROKEN),
    st.just(b"GET / HTTP/1.0\r\n\r\n"), st.binary(min_size=1, max_size=30),
)  # fmt: skip


def read(*pieces: bytes) -> list[RequestHead | bytes | RequestEnd | Malformed]:
    """Return what is read, pieces of one body joined."""
    reader = RequestReader()
    found: list[RequestHead | bytes | RequestEnd | Malformed] = []
    for piece in pieces:
        reader.feed(piece)
    for part in reader.parts:
        if isinstance(part, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += part
        else:
            found.append(part)
    return found


@given(st.lists(messages, max_size=4).map(b"".join), st.lists(st.integers(0, 400), max_size=8))
@example(CHUNKS + ONE, [len(CHUNKS) - 1])
@example(ONE * 3, [len(ONE) + 3])
@example(BROKEN + ONE, [len(HEAD)])
def test_any_cut_of_the_bytes_gives_the_same_requests(data: bytes, places: list[int]) -> None:
    places = sorted({0, len(data), *(place for place in places if place < len(data))})
    cut = [data[start:end] for start, end in itertools.pairwise(places)]
    assert [_plain(part) for part in read(*cut)] == [_plain(part) for part in read(data)]


@given(st.lists(messages, max_size=3).map(b"".join))
def test_a_byte_at_a_time_is_as_good_as_all_at_once(data: bytes) -> None:
    assert [_plain(part) for part in read(*(data[n : n + 1] for n in range(len(data))))] == [
        _plain(part) for part in read(data)
    ]


def _plain(part: RequestHead | bytes | RequestEnd | Malformed) -> object:
    """What is wrong is wrong at any cut; the parser's own words for it may name another place."""
    return part.status if isinstance(part, Malformed) else part


def test_what_is_read_is_what_was_sent() -> None:
    head, body, end = read(HEAD + b"Content-Type: a/b\r\nX-Y: 1\r\nx-y: 2\r\ncontent-length: 3\r\n\r\nabc")
    assert head == RequestHead(
        b"POST", b"/d", {b"host": b"a", b"content-type": b"a/b", b"x-y": b"1, 2", b"content-length": b"3"}
    )
    assert (body, end) == (b"abc", REQUEST_END)


def test_chunks_are_joined_and_their_extensions_and_trailers_are_no_headers() -> None:
    head, body, end = read(CHUNKS)
    assert isinstance(head, RequestHead)
    assert head.headers == {b"host": b"a", b"transfer-encoding": b"chunked"}
    assert (body, end) == (b"{}abc", REQUEST_END)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", 400),
        (HEAD + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}", 400),
        (HEAD + b"content-length: 2, 2\r\n\r\n{}", 400),
        (HEAD + b"content-length: +2\r\n\r\n{}", 400),
        (HEAD + b"content-length: 0x2\r\n\r\n{}", 400),
        (HEAD + b"content-length : 2\r\n\r\n{}", 400),
        (HEAD + b"x: a\r\n b\r\n\r\n", 400),
        (b"POST /d HTTP/1.1\nHost: a\ncontent-length: 2\n\n{}", 400),
        (HEAD + b"x: y\nz: q\r\n\r\n", 400),
        (HEAD + b"x: y\rz: q\r\n\r\n", 400),
        (HEAD + b"x: a\0b\r\n\r\n", 400),
        (HEAD + b": x\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD + b"transfer-encoding: identity\r\n\r\n", 501),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n", 400),
        (b"POST /d HTTP/1.0\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"host: b\r\n\r\n", 400),
        (HEAD + b"authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n", 400),
        (b"GET /d HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nabc", 501),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /d\r\n\r\n", 505),
        (b"POST /d HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /d x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"\0\xff\r\n\r\n", 400),
        (HEAD + b"x: y\r\n" * 101 + b"\r\n", 431),
        (HEAD + b"x: " + b"a" * 33_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 33_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    ],
)  # fmt: skip
def test_what_readers_could_disagree_about_ends_the_reading(sent: bytes, status: int) -> None:
    found = read(sent, ONE)
    trouble = found[-1]
    assert isinstance(trouble, Malformed)
    assert trouble.status == status
    assert REQUEST_END not in found, "and nothing that was sent with it is taken for a request"


def test_what_came_before_the_trouble_is_still_a_request() -> None:
    found = read(ONE + BROKEN + ONE)
    assert [type(part) for part in found] == [RequestHead, bytes, RequestEnd, Malformed]


def test_a_head_without_end_is_not_collected() -> None:
    reader = RequestReader()
    reader.feed(HEAD + b"x: ")
    for _ in range(5):
        reader.feed(b"a" * 16_384)
    assert [_plain(part) for part in reader.parts] == [431]


@pytest.mark.parametrize(("first", "more"), [(b"", b"1;" + b"x" * 1000 + b"\r\na\r\n"), (b"0\r\ny: ", b"z" * 1000)])
def test_frames_without_a_body_are_not_read_for_ever(first: bytes, more: bytes) -> None:
    reader = RequestReader()
    reader.feed(HEAD + b"transfer-encoding: chunked\r\n\r\n" + first)
    for _ in range(40):
        reader.feed(more)
    assert _plain(reader.parts[-1]) == 400


def test_small_chunks_are_no_attack() -> None:
    found = read(HEAD + b"transfer-encoding: chunked\r\n\r\n", *[b"1\r\na\r\n"] * 20_000, b"0\r\n\r\n")
    assert found[1:] == [b"a" * 20_000, REQUEST_END]


def test_between_two_requests_nothing_is_owed() -> None:
    reader = RequestReader()
    assert reader.is_between
    reader.feed(ONE + b"P")
    assert not reader.is_between
    reader.feed(ONE[1:-1])
    assert not reader.is_between
    reader.feed(b"}")
    assert reader.is_between

"""What is attached to is cut into frames and lines, however it comes, and no more of it is kept than a bar can be."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.runtimes.local.log_capture.live_output.output import Output

HEAD = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nUpgrade: tcp\r\n\r\n"


def frame(stream, text):
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def painted_by(*pieces):
    output = Output()
    assert output.feed(HEAD)
    for piece in pieces:
        assert output.feed(piece)
    return output.painted


@pytest.mark.parametrize(
    ("written", "painted"),
    [
        ([b"\r 10%", b"\r 20%"], b" 20%"),
        ([b" 10%\r", b" 20%\r"], b" 20%"),
        ([b"\r 10%", b"\r 100%\n"], b""),
        ([b"line\n\r 5", b"0%"], b" 50%"),
        ([b"line\nanother\n"], b""),
        ([b"\r 99%", b"\r     \r"], b""),
        ([b"\n\rinner\x1b[A", b"\router"], b"outer"),
        ([b"Loading"], b"Loading"),
        ([b"x" * 5000], b""),
        ([b"x" * 5000, b"\r 3%"], b" 3%"),
        ([b"\r" + b"y" * 1000], b"y" * 1000),
        ([b"\r" + b"y" * 1001], b""),
    ],
)
def test_the_newest_state_of_the_line_that_has_no_end(written, painted):
    assert painted_by(*(frame(2, text) for text in written)) == painted


def test_a_bar_stays_while_lines_go_to_the_other_stream():
    assert painted_by(frame(2, b"\r 10%"), frame(1, b"loss 0.3\n")) == b" 10%"
    assert painted_by(frame(2, b"\r 10%"), frame(1, b"\r 7%")) == b" 7%"


def test_a_terminal_has_no_frames():
    assert painted_by(b"\r 10%", b"\r 20%") == b" 20%"
    assert painted_by(b"\x01", b"\x00\x00\x00" + frame(1, b"\r 3%")[4:]) == b" 3%"


pieces = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8)


@given(pieces, st.lists(st.integers(0, 600), max_size=12))
@example([(2, b"\r 10%"), (1, b""), (2, b"\n")], [1, 2, 3, 99, 100, 101, 107, 108])
def test_however_it_is_cut_it_is_the_same(written, cuts):
    whole = b"".join(frame(stream, text) for stream, text in written)
    data = HEAD + whole
    at = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    output = Output()
    for begin, end in pairwise(at):
        assert output.feed(data[begin:end])
    assert output.began
    assert output.painted == painted_by(*([whole] if whole else []))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\n\r\n{}",
        b"HTTP/1.1 409 Conflict\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\r\n\r\n",
        b"x" * 20_000,
        HEAD + frame(1, b"a") + frame(9, b"b"),
    ],
)
def test_what_is_no_output_is_given_up(answer):
    assert not Output().feed(answer)


@given(st.binary(max_size=3000))
@example(b"x" * 3000)
def test_whatever_is_written_little_of_it_is_kept(text):
    output = Output()
    output.feed(HEAD)
    for _ in range(4):
        output.feed(frame(1, text))
    assert len(output.painted) <= 1000
    assert all(len(tail) <= 4096 for tail in output._tails.values())

"""From the bytes that a container writes to lines that can be shown: cut, folded, plain."""

from collections.abc import Iterable, Iterator

from mlops_desk.base.text import LINE_LIMIT, plain

_LONGEST_BYTES = 4 * LINE_LIMIT


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without their end; of one that is longer than can be shown, the beginning.

    A progress bar redraws its line with carriage returns: of those the last state is kept.
    """
    pending = b""
    for chunk in chunks:
        *whole, pending = (pending + chunk).split(b"\n")
        for line in whole:
            yield _folded(line)[:_LONGEST_BYTES]
        if len(pending) > 2 * _LONGEST_BYTES:
            pending = _folded(pending)[:_LONGEST_BYTES]
    if pending:
        yield _folded(pending)[:_LONGEST_BYTES]


def shown(line: bytes) -> str:
    """Return a line as text that is safe to show."""
    return plain(line.decode("utf-8", "replace"), LINE_LIMIT)


def _folded(line: bytes) -> bytes:
    return line.rstrip(b"\r").rpartition(b"\r")[2]

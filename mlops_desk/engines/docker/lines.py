"""From the bytes that a container writes to lines that can be shown: cut, folded, plain."""

from collections.abc import Iterable, Iterator

from mlops_desk.engines.log_lines import LineFolder


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without their end; what has no end comes last."""
    folder = LineFolder()
    for chunk in chunks:
        yield from folder.feed(chunk)
    if folder.painted:
        yield folder.painted

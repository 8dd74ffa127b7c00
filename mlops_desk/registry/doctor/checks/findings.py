"""How findings are put together: the same few words for what is fine, what could be better, and what nobody knows."""

from mlops_desk.registry.records.doctor import FindingState, StoreFinding


def fine(check: str, title: str, text: str, *, size_bytes: int | None = None) -> StoreFinding:
    return StoreFinding(check, FindingState.OK, title, text, size_bytes=size_bytes)


def advice(
    check: str,
    title: str,
    text: str,
    *,
    fix: str | None = None,
    effect: str | None = None,
    n: int | None = None,
    size_bytes: int | None = None,
) -> StoreFinding:
    return StoreFinding(check, FindingState.ADVICE, title, text, fix, effect, n, size_bytes)


def trouble(
    check: str,
    title: str,
    text: str,
    *,
    fix: str | None = None,
    effect: str | None = None,
    n: int | None = None,
    size_bytes: int | None = None,
) -> StoreFinding:
    return StoreFinding(check, FindingState.TROUBLE, title, text, fix, effect, n, size_bytes)


def unknown(check: str, title: str, text: str) -> StoreFinding:
    return StoreFinding(check, FindingState.UNKNOWN, title, text)

"""Goes through the pages of a server's list, which may never end or lead round in circles."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeVar

from mlops_desk.base.errors import Unavailable

_MOST_PAGES = 10_000  # chosen: ten million runs


class AnswerPage(Protocol):
    """An answer with a token of the page behind it, "" on the last one."""

    @property
    def next_page_token(self) -> str: ...


P = TypeVar("P", bound=AnswerPage)


def pages(fetch: Callable[[Mapping[str, str]], P]) -> Iterator[P]:
    """Yield page by page; ``fetch`` is given the token to ask with. Raises Unavailable where it has no end."""
    token = ""
    for _ in range(_MOST_PAGES):
        page = fetch({"page_token": token} if token else {})
        yield page
        if not page.next_page_token or page.next_page_token == token:
            return
        token = page.next_page_token
    raise Unavailable("The server's list has no end: each page names another.", "Is it an MLflow server?")

"""What a person means by an id or the beginning of it: the one that begins so, or an error that names them. Pure."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TypeVar

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.text import plain

T = TypeVar("T")

# As many as an error names; who looks for ids that begin so asks for one more, to tell that there are others.
SHOWN = 8
LOOKED_FOR = SHOWN + 1


def the_one(
    given: str, found: Sequence[T], *, noun: str, hint: str | None, key: Callable[[T], str] = attrgetter("id")
) -> T:
    """Return the one of ``found``, whose ids begin with ``given``: the only one, or the one that is called just so.

    ``noun`` is what such a thing is called, ``hint`` says where all of them are listed. Raises NotFound, and Invalid
    where several begin so, which it lists.
    """
    if not given:
        raise NotFound(f"No {noun} is named.", hint)
    exact = [one for one in found if key(one) == given]
    if not found:
        raise NotFound(f"There is no {noun} {plain(given)!r}.", hint)
    if len(found) > 1 and not exact:
        names = ", ".join(plain(key(one)) for one in found[:SHOWN])
        more = " …" if len(found) > SHOWN else ""
        raise Invalid(f"Several {noun}s begin with {plain(given)!r}.", f"Use more of the id: {names}{more}.")
    return (exact or found)[0]

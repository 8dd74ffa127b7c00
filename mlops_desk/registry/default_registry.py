"""Which registry is meant when none is named: the setting registry.uri, or the desk's own server.

Jobs always log to the desk's own. What fails on a registry that only the setting names says so, and how to go
back: nobody who typed no address would guess where it came from.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlops_desk.kit.base.errors import DeskError, Hint, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import Address, parse_address

SETTING = "registry.uri"
OWN = "own"
"""The word for the desk's own registry, where another is the default."""
_NAME_LIKE = re.compile(r"[\w.-]{1,80}")
BACK = f"mlops-desk settings set {SETTING} ''"
"""Leads back to the desk's own registry."""
_ENDS = (".", "!", "?", "…")


class Default:
    """Turns what was asked for (None: nothing named) into a URI, or None for the desk's own registry."""

    def __init__(self, setting: Callable[[], str]) -> None:
        self._setting = setting

    @property
    def uri(self) -> str | None:
        """The registry that the setting names; None is the desk's own."""
        return _named(self._setting())

    @contextmanager
    def chosen(self, uri: str | None) -> Iterator[str | None]:
        """Give the URI to ask; an error of a registry that only the setting names tells that it does."""
        given = None if uri is None else uri.strip()
        named = self.uri if not given else _named(given)
        try:
            yield named
        except DeskError as error:
            if given or named is None or isinstance(error, Invalid):
                raise
            raise type(error)(error.message, _with_way_back(error.hint, named)) from error


def check(uri: str, is_kept: Callable[[str], bool] = lambda _name: False) -> None:
    """Refuse a value of the setting that is no tracking URI, nor the name of a registry ``is_kept``. Raises Invalid."""
    named = _named(uri)
    if named is None or is_kept(named):
        return
    try:
        parse_address(named)
    except Invalid as error:
        if not _NAME_LIKE.fullmatch(named):
            raise
        hint = Hint("mlops-desk registry list", before="Give a tracking URI, or the name of one of these: ")
        raise Invalid(f"No registry is kept as {plain(named, 80)!r}.", hint) from error


def _named(text: str) -> str | None:
    stripped = text.strip()
    return stripped if stripped and stripped != OWN else None


def _with_way_back(hint: str | None, named: str) -> Hint:
    """Return a hint with how to go back beside it; a command that it has stays the one that is offered."""
    back = f"This is the registry {_shown(named)} of the setting {SETTING}. Back to the desk's own registry: "
    ends = "" if not hint or hint.rstrip().endswith(_ENDS) else "."
    if isinstance(hint, Hint):
        before, _, after = hint.partition(hint.command)
        return Hint(hint.command, before=before, after=f"{after}{ends} {back}{BACK}")
    return Hint(BACK, before=f"{hint}{ends} {back}" if hint else back)


def _shown(uri: str) -> str:
    try:
        address = parse_address(uri)
    except Invalid:
        address = Address(uri, "unknown")
    return address.shown

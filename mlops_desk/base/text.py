"""Text from outside (container names, tags, logs, model names) is hostile: it is capped and made visible here."""

import unicodedata

NAME_LIMIT = 200
LINE_LIMIT = 4096

_KEPT = frozenset("\t")


def plain(text: str, limit: int = NAME_LIMIT) -> str:
    """Return ``text`` on one line, at most ``limit`` characters, with control and bidi characters escaped."""
    cut = text[: limit + 1]
    shown = "".join(_visible(character) for character in cut[:limit])
    return shown + "…" if len(cut) > limit else shown


def _visible(character: str) -> str:
    if character in _KEPT:
        return " "
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode("ascii")
    return character

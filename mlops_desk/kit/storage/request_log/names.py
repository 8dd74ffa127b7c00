"""What a feature's column is called where its name differs from another's in case alone. Pure.

DuckDB takes such names for one. The second is stored as ``_case.`` and its name in small letters, each that is a
capital marked: ``Id`` beside ``id`` is ``_case.^id``.
"""

_MARK, _CAPITAL = "_case.", "^"


def stored(name: str) -> str:
    """Return the column of a name that may not stand as it is; no two names have the same."""
    return _MARK + "".join(_small(letter) for letter in name)


def sent(column: str) -> str:
    """Return the name that a column stands for, which is mostly its own."""
    if not column.startswith(_MARK):
        return column
    letters = iter(column[len(_MARK) :])
    return "".join(_capital(next(letters, "")) if letter == _CAPITAL else letter for letter in letters)


def _small(letter: str) -> str:
    if letter == _CAPITAL:
        return _CAPITAL * 2
    small = letter.lower()
    return _CAPITAL + small if small != letter and len(small) == 1 and small.upper() == letter else letter


def _capital(letter: str) -> str:
    return letter if letter == _CAPITAL else letter.upper()

"""How values are spelled, as expressions of DuckDB: what stands for nothing, for numbers, for true, for a moment.

The same value comes in many spellings: pandas writes ``True``, JSON ``true``, a person ``yes``; a moment has a zone or
none; a number has groups of thousands, or a comma where English has a point. Each function here takes an expression of
type VARCHAR (or, where it says so, of any type) and returns one that is NULL where the value is none of that kind.
"""

_MARKS_OF_MISSING = ("", "na", "n/a", "<na>", "nat", "null", "none", "nan", "+nan", "-nan")
TRUE_WORDS = ("true", "t", "yes", "y", "1", "1.0")
FALSE_WORDS = ("false", "f", "no", "n", "0", "0.0")

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMERIC_TYPES = {*_NUMBERS, *(f"U{name}" for name in _NUMBERS), "FLOAT", "DOUBLE"}
_GROUPS = r"[+-]?\d{1,3}([,_'’\s\x{00a0}\x{2009}\x{202f}]\d{3})+(\.\d*)?"
_COMMA = r"[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+([eE][+-]?\d+)?"
_DAYS = r"([+-]?\d+) days?(?:,? ([+-]?)(\d+):(\d+):(\d+(?:\.\d+)?))?"  # as pandas and Python write a duration
_ISO_DURATION = r"(-?)P(-?\d+)DT(-?\d+)H(-?\d+)M(-?\d+(?:\.\d+)?)S"  # as pandas writes one in JSON
_MONTH = r"\d{4}-\d{2}"
_CLOCK = r"(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)"

_UNITS = ((1.0, 6e8), (1e3, 6e11), (1e6, 6e14), (1e9, 6e17))
"""Units of a second, and from which number on one counts them, in 1989: a smaller unit begins after the year 2100."""
_YEARS = 7  # times 19 since 1970 are 2103; chosen: no data are of a later one


def missing(text: str) -> str:
    """Return the condition that a text stands for nothing."""
    marks = ", ".join(f"'{mark}'" for mark in _MARKS_OF_MISSING)
    return f"({text} IS NULL OR lower(trim({text})) IN ({marks}))"


def number(text: str, *, comma: bool = False) -> str:
    """Return a text's number (DOUBLE), with groups of thousands too, and with a decimal ``comma`` where it has one."""
    if comma:
        swapped = f"replace(replace(trim({text}), '.', ''), ',', '.')"
        return f"CASE WHEN {_full(text, _COMMA)} THEN TRY_CAST({swapped} AS DOUBLE) ELSE TRY_CAST({text} AS DOUBLE) END"
    bare = rf"regexp_replace(trim({text}), '[^0-9.+-]', '', 'g')"
    return f"coalesce(TRY_CAST({text} AS DOUBLE), CASE WHEN {_full(text, _GROUPS)} THEN TRY_CAST({bare} AS DOUBLE) END)"


def has_comma(text: str) -> str:
    """Return the condition that a text is a number with a decimal comma, and none without."""
    return f"({_full(text, _COMMA)} AND NOT {_full(text, _GROUPS)})"


def duration(text: str) -> str:
    """Return a text's duration or time of day in seconds (DOUBLE)."""

    def part(pattern: str, place: int) -> str:
        return f"coalesce(TRY_CAST(regexp_extract(trim({text}), {_quoted(pattern)}, {place}) AS DOUBLE), 0)"

    days = [part(_DAYS, place) for place in (1, 3, 4, 5)]
    sign = f"CASE WHEN regexp_extract(trim({text}), {_quoted(_DAYS)}, 2) = '-' THEN -1 ELSE 1 END"
    clock = [part(_CLOCK, place) for place in (1, 2, 3)]
    iso = [part(_ISO_DURATION, place) for place in (2, 3, 4, 5)]
    whole = f"CASE WHEN starts_with(trim({text}), '-P') THEN -1 ELSE 1 END"
    return (
        f"CASE WHEN {_full(text, _DAYS)} THEN {days[0]} * 86400 + ({sign}) * {_seconds(days[1:])}"
        f" WHEN {_full(text, _ISO_DURATION)} THEN ({whole}) * ({iso[0]} * 86400 + {_seconds(iso[1:])})"
        f" WHEN {_full(text, _CLOCK)} THEN {_seconds(clock)} END"
    )


def boolean(text: str) -> str:
    """Return a text as BOOLEAN."""
    word = f"lower(trim({text}))"
    return (
        f"CASE WHEN {word} IN ({_listed(TRUE_WORDS)}) THEN true WHEN {word} IN ({_listed(FALSE_WORDS)}) THEN false END"
    )


def moment(text: str) -> str:
    """Return a text's moment in seconds since 1970 (DOUBLE): ISO 8601 with or without a zone, a date, or a month."""
    month = f"CASE WHEN {_full(text, _MONTH)} THEN trim({text}) || '-01' ELSE {text} END"
    stamp = f"TRY_CAST({month} AS TIMESTAMPTZ)"
    return f"CASE WHEN isfinite({stamp}) THEN epoch({stamp}) END"


def moment_of_number(value: str) -> str:
    """Return the moment that a number (DOUBLE) counts to, in seconds since 1970.

    Seconds, milliseconds, micro- and nanoseconds since 1970 are told apart by their size, which is not ambiguous from
    1989 to 2103; other numbers are no moments.
    """
    cases = " ".join(
        f"WHEN {value} BETWEEN {first} AND {first * _YEARS} THEN {value} / {unit}" for unit, first in _UNITS
    )
    return f"CASE {cases} END"


def is_numeric(database_type: str) -> bool:
    """Tell whether a column of this type holds numbers."""
    return database_type in _NUMERIC_TYPES or database_type.startswith("DECIMAL")


def is_moment(database_type: str) -> bool:
    """Tell whether a column of this type holds moments."""
    return database_type == "DATE" or database_type.startswith("TIMESTAMP")


def is_duration(database_type: str) -> bool:
    """Tell whether a column of this type holds durations or times of day."""
    return database_type == "INTERVAL" or (database_type.startswith("TIME") and not is_moment(database_type))


def is_words(database_type: str) -> bool:
    """Tell whether a column of this type holds texts, or what has a text as its only form."""
    return database_type in {"VARCHAR", "UUID"} or database_type.startswith("ENUM")


def _seconds(parts: list[str]) -> str:
    hours, minutes, seconds = parts
    return f"({hours} * 3600 + {minutes} * 60 + {seconds})"


def _full(text: str, pattern: str) -> str:
    return f"regexp_full_match(trim({text}), {_quoted(pattern)})"


def _quoted(pattern: str) -> str:
    doubled = pattern.replace("'", "''")
    return f"'{doubled}'"


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)

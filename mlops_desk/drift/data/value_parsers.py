"""How values are spelled, as expressions of DuckDB: what stands for nothing, for numbers, for true, for a moment.

The same value comes in many spellings: pandas writes ``True``, JSON ``true``, a person ``yes``; a moment has a zone or
none; a number has groups of thousands, or a comma where English has a point. Each function here takes an expression of
type VARCHAR (or, where it says so, of any type) and returns one that is NULL where the value is none of that kind.
"""

from collections.abc import Iterable, Mapping, Sequence

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

MARKS_OF_MISSING = (
    "", "na", "n/a", "n.a.", "<na>", "#na", "#n/a", "nat", "null", "none", "nil", "nan", "+nan", "-nan", "-", "--", "?",
    r"\n",
)  # fmt: skip
"""What pandas reads as nothing, a dash, the question mark of UCI's data sets, and MySQL's word for it."""
SIGNS = frozenset({"-", "--", "?"})
"""Of these marks the ones that are no words: among categories (strands + and -) they are values like any other."""
TRUE_WORDS = ("true", "t", "yes", "y", "1", "1.0")
FALSE_WORDS = ("false", "f", "no", "n", "0", "0.0")

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMERIC_TYPES = {*_NUMBERS, *(f"U{name}" for name in _NUMBERS), "FLOAT", "DOUBLE"}
_BLANKS = r"\s\x{00a0}\x{2009}\x{202f}"
_GROUPS = rf"[+-]?([1-9]\d{{0,2}}([,_'’{_BLANKS}]\d{{3}})+(\.\d*)?|[1-9]\d{{0,2}}(\.\d{{3}}){{2,}})"
"""Groups of thousands; with points only where there are two, for 1.234 is a number as it stands."""
_COMMA = rf"[+-]?(\d{{1,3}}([.'’{_BLANKS}]\d{{3}})+|\d+),\d+([eE][+-]?\d+)?"
_POINT_GROUPS = r"[+-]?[1-9]\d{0,2}(\.\d{3})+"
_PERCENT = rf"[^%]*\d[{_BLANKS}]*%"
_DAYS = r"([+-]?\d+) days?(?:,? ([+-]?)(\d+):(\d+):(\d+(?:\.\d+)?))?"  # as pandas and Python write a duration
_ISO_DURATION = r"(-?)P(-?\d+)DT(-?\d+)H(-?\d+)M(-?\d+(?:\.\d+)?)S"  # as pandas writes one in JSON
_MONTH = r"\d{4}-\d{2}"
_CLOCK = r"(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)"

_DAYS_AND_MONTHS = ("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y")
_NAMED = tuple(f"{day}{clock}" for day in _DAYS_AND_MONTHS for clock in ("", " %H:%M:%S", " %H:%M"))
_MONTH_NAME = r"(?i)^\s*(\d{1,2}[ -])?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}[ -](\d{1,2}, )?\d{4}"
_ZONED = (
    "%a, %d %b %Y %H:%M:%S %Z", "%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%dT%H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S %z",
)  # fmt: skip
_ZONE = r"^[ \w,/:-]+:\d{2} ([+-]\d{4}|GMT|UTC)\s*$"
"""Each format that is tried costs half a microsecond: they are, where a text looks like one of them."""
_HALF_DAYS = ("%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p")
_HALF_DAY = r"(?i)\d [ap]m\s*$"
_YEAR_1000 = -30_610_224_000
"""In seconds; DuckDB takes 24/12/31 for a day of the year 24, and a year has four digits."""
_SLASHED = r"^\s*\d{1,2}[/.-]\d{1,2}[/.-]\d{4}(\D|$)"

_UNITS = ((1.0, 6e8), (1e3, 6e11), (1e6, 6e14), (1e9, 6e17))
"""Units of a second, and from which number on one counts them, in 1989: a smaller unit begins after the year 2100."""
_YEARS = 7  # times 19 since 1970 are 2103; chosen: no data are of a later one


def missing(text: str, real: Sequence[str] = (), *, signs: bool = True) -> str:
    """Return the condition that a text stands for nothing; ``real`` are words that somebody has declared to be values.

    Among categories ``signs`` stand for themselves.
    """
    values = {word.strip().lower() for word in real}
    marks = [mark for mark in MARKS_OF_MISSING if mark not in values and (signs or mark not in SIGNS)]
    return f"({text} IS NULL OR lower(trim({text})) IN ({_listed(marks)}))"


def check_real_values(given: Mapping[str, Sequence[str]]) -> None:
    """Refuse words that stand for themselves anyway, so that a slip is no silent one. Raises Invalid."""
    for column, words in given.items():
        for word in words:
            if word.strip().lower() not in MARKS_OF_MISSING:
                known = ", ".join(mark or '""' for mark in MARKS_OF_MISSING)
                text = f"{plain(word, 60)!r} is a value of {plain(column, 60)} anyway."
                raise Invalid(text, f"Declare a word that is else taken for a missing value: {known}.")


def is_missing_category(label: str, real: Sequence[str] = ()) -> bool:
    """Tell of one category what ``missing`` tells of a column of them: an earlier program counted such words."""
    word = label.strip(" ").lower()
    return word in MARKS_OF_MISSING and word not in SIGNS and word not in {one.strip().lower() for one in real}


def number(text: str, *, comma: bool = False) -> str:
    """Return a text's number (DOUBLE), with groups of thousands too, and with a decimal ``comma`` where it has one.

    A percent sign divides by a hundred, as its name says: ``50 %`` is 0.5.
    """
    bare = rf"replace(regexp_replace(trim({text}), '[{_BLANKS}]*%$', ''), '−', '-')"
    percent = f"CASE WHEN {_full(text, _PERCENT)} THEN {_plain_number(bare, comma=comma)} / 100 END"
    minus = f"CASE WHEN contains({text}, '−') THEN {_plain_number(bare, comma=comma)} END"
    return f"coalesce({_plain_number(text, comma=comma)}, {percent}, {minus})"


def _plain_number(text: str, *, comma: bool) -> str:
    bare = rf"TRY_CAST(regexp_replace(trim({text}), '[^0-9.+-]', '', 'g') AS DOUBLE)"
    if not comma:
        points = f"CASE WHEN {_full(text, _POINT_GROUPS)} THEN replace({text}, '.', '') ELSE {text} END"
        grouped = f"CASE WHEN {_full(text, _GROUPS)} THEN coalesce({bare}, TRY_CAST(trim({points}) AS DOUBLE)) END"
        return f"coalesce(TRY_CAST({text} AS DOUBLE), {grouped})"
    whole = f"TRY_CAST(replace(trim({text}), '.', '') AS DOUBLE)"
    swapped = rf"replace(regexp_replace(trim({text}), '[^0-9,eE+-]', '', 'g'), ',', '.')"
    return (
        f"CASE WHEN {_full(text, _COMMA)} THEN TRY_CAST({swapped} AS DOUBLE)"
        f" WHEN {_full(text, _POINT_GROUPS)} THEN {whole} ELSE TRY_CAST({text} AS DOUBLE) END"
    )


def has_comma(text: str) -> str:
    """Return the condition that a text is a number with a decimal comma, and none without."""
    bare = rf"regexp_replace(trim({text}), '[{_BLANKS}]*%$', '')"
    return f"({_full(bare, _COMMA)} AND NOT {_full(bare, _GROUPS)})"


def has_point(text: str) -> str:
    """Return the condition that a text is a number with a decimal point: one that parts no group of thousands."""
    return f"(contains({text}, '.') AND TRY_CAST({text} AS DOUBLE) NOTNULL AND NOT {_full(text, _POINT_GROUPS)})"


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
    """Return a text's moment in seconds since 1970 (DOUBLE), where there is one way to read it.

    ISO 8601 with or without a zone, a date, a month, or a date with its month's English name (RFC 5322, logs of web
    servers).
    """
    month = f"CASE WHEN {_full(text, _MONTH)} THEN trim({text}) || '-01' ELSE {text} END"
    stamp = f"TRY_CAST({month} AS TIMESTAMPTZ)"
    named, zoned = (f"epoch(try_strptime(trim({text}), {_formats(some)}))" for some in (_NAMED, _ZONED))
    return (
        f"CASE WHEN isfinite({stamp}) AND epoch({stamp}) >= {_YEAR_1000} THEN epoch({stamp})"
        f" WHEN regexp_matches({text}, '{_ZONE}') THEN {zoned}"
        f" WHEN regexp_matches({text}, '{_MONTH_NAME}') THEN {named} END"
    )


def slashed(text: str, *, day_first: bool) -> str:
    """Return the moment (as ``moment``) of a date like 1/2/2024 or 01-02-2024 10:15 PM, its day or its month first.

    With points it is the day in either case: nobody writes the month first so. A year has four digits, for of two
    nobody can tell which number they are.
    """
    order = r"\3-\2-\1" if day_first else r"\3-\1-\2"
    pointed = rf"regexp_replace(trim({text}), '^(\d{{1,2}})\.(\d{{1,2}})\.(\d{{4}})', '\3-\2-\1')"
    turned = rf"regexp_replace({pointed}, '^(\d{{1,2}})[/-](\d{{1,2}})[/-](\d{{4}})', '{order}')"
    stamp = f"TRY_CAST({turned} AS TIMESTAMPTZ)"
    halves = f"try_strptime({turned}, {_formats(_HALF_DAYS)})"
    found = f"CASE WHEN regexp_matches({text}, '{_HALF_DAY}') THEN epoch({halves}) ELSE epoch({stamp}) END"
    return f"CASE WHEN regexp_matches({text}, '{_SLASHED}') THEN {found} END"


def compact(text: str) -> str:
    """Return the moment (as ``moment``) of a date like 20240201, from 1900 to 2100."""
    is_one = _full(text, r"(19|20)\d{6}")
    return f"CASE WHEN {is_one} THEN epoch(try_strptime(trim({text}), '%Y%m%d')) END"


def _formats(formats: Iterable[str]) -> str:
    return f"[{', '.join(_quoted(one) for one in formats)}]"


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


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)

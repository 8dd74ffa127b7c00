"""Which images a Dockerfile stands on, as far as it says so by itself: for the logins that a build may need. Pure.

It is read as text of anybody, and only roughly: what can't be made out is built without a login, and the engine tells.
"""

import re
from collections.abc import Iterable, Mapping

_MOST = 8  # chosen: a Dockerfile of many stages stands on three or four; each costs a question for its login
_MOST_LINES = 10_000  # chosen: more than anybody writes by hand
_LONGEST = 512  # chosen: twice what registries take
_ARG = re.compile(r"ARG\s+([A-Za-z_]\w*)=(\S+)", re.IGNORECASE | re.ASCII)
_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.ASCII)
_COPY = re.compile(r"(?:COPY|ADD|RUN)\s.*?(?:--from=|[,=]from=|,from=)([^\s,]+)", re.IGNORECASE | re.ASCII)
_SYNTAX = re.compile(r"#\s*syntax\s*=\s*(\S+)", re.IGNORECASE | re.ASCII)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::-([^}$]*))?\}|([A-Za-z_]\w*))", re.ASCII)


def bases(lines: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the images that are named, each once; ``values`` are those of the arguments that a build is given."""
    known, stages, found = dict[str, str](), set[str](), list[str]()
    for _, line in zip(range(_MOST_LINES), lines, strict=False):
        text = line.strip()[: 4 * _LONGEST]
        if (argument := _ARG.match(text)) is not None:
            known.setdefault(argument[1], values.get(argument[1], argument[2].strip("\"'")))
            continue
        for word in _named(text, stages):
            reference = _filled(word, {**known, **values})
            if reference and reference != "scratch" and not reference.isdigit() and reference not in found:
                found.append(reference)
    return tuple(found[:_MOST])


def _named(text: str, stages: set[str]) -> list[str]:
    """Return what a line names; a stage that it begins is known from then on."""
    if (syntax := _SYNTAX.match(text)) is not None:
        return [syntax[1]]
    if (base := _FROM.match(text)) is not None:
        # A stage may be called like an image: it is known after its own line.
        named = [] if base[1].lower() in stages else [base[1]]
        if base[2]:
            stages.add(base[2].lower())
        return named
    copied = _COPY.match(text)
    return [] if copied is None or copied[1].lower() in stages else [copied[1]]


def _filled(word: str, known: Mapping[str, str]) -> str:
    """Return a name with its variables; "" where one is not known or the name is no name."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        text = known.get(found[1] or found[3]) or found[2]
        missing = missing or not text
        return text or ""

    filled = _VARIABLE.sub(value, word)
    fits = not missing and "$" not in filled and len(filled) <= _LONGEST and filled.isprintable()
    return filled if fits else ""

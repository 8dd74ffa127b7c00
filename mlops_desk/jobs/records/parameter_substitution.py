"""Parameters put into a job's command and environment where ``{name}`` stands. Pure.

``{{`` and ``}}`` stand for braces. Braces that are no parameter's are left as they are, pair by pair, so that JSON
needs no doubling (``{"a": {"lr": {lr}}}``), and so is the shell's ``${NAME}``.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from mlops_desk.jobs.records.spec import JobSpec

INDEX = "index"
SEED = "seed"
_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]{0,99})\}", re.ASCII)

Give = Callable[[str], str]


def filled(spec: JobSpec) -> JobSpec:
    """Return a job with its parameters in its command and environment; what has none keeps its braces."""
    if not is_filled(spec):
        return spec
    values = {**({} if spec.seed is None else {SEED: str(spec.seed)}), **spec.params}

    def give(name: str) -> str:
        return values.get(name, f"{{{name}}}")

    env = {name: fill(text, give) for name, text in spec.env.items()}
    return replace(spec, command=tuple(fill(text, give) for text in spec.command), env=env)


def is_filled(spec: JobSpec) -> bool:
    """Tell whether braces in a job's command and environment mean parameters."""
    return bool(spec.params) or spec.array is not None or spec.sweep is not None


def known_names(spec: JobSpec) -> frozenset[str]:
    """Return what may stand in braces in a job's command and environment."""
    swept = () if spec.sweep is None else (*spec.sweep.grid, *spec.sweep.spans)
    several = spec.array is not None or spec.sweep is not None
    return frozenset({*spec.params, *swept, *((INDEX,) if several else ()), *(() if spec.seed is None else (SEED,))})


def fill(text: str, give: Give) -> str:
    """Return ``text`` with what ``give`` says of each name in braces."""
    return "".join(_pieces(text, give)) if "{" in text or "}" in text else text


def names_in(text: str) -> list[str]:
    """Return the names in braces, in their order."""
    found: list[str] = []

    def note(name: str) -> str:
        found.append(name)
        return ""

    fill(text, note)
    return found


def _pieces(text: str, give: Give) -> Iterator[str]:
    doubled: list[bool] = []  # of the braces that are open: whether each was written twice
    at = 0
    while at < len(text):
        name = _NAME.match(text, at)
        if text.startswith("{{", at):
            doubled.append(True)
            yield "{"
            at += 2
        elif name is not None and text[at - 1 : at] != "$":
            yield give(name[1])
            at = name.end()
        elif text[at] == "{":
            doubled.append(False)
            yield "{"
            at += 1
        elif text[at] == "}":
            twice = text.startswith("}}", at) and (not doubled or doubled[-1])
            if doubled and (twice or not doubled[-1]):
                doubled.pop()
            yield "}"
            at += 2 if twice else 1
        else:
            end = at + 1
            while end < len(text) and text[end] not in "{}":
                end += 1
            yield text[at:end]
            at = end

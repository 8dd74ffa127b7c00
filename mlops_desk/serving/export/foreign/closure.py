"""What of a folder of wheels is needed to serve a model elsewhere, and all that is lacking there, at once. Pure.

Nothing is tried in turns: of each package the newest version is taken that fits all that is wanted of it, and looked at
again when more is wanted. A folder that was fetched by one ``pip download`` holds one of each.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name

from mlops_desk.base.errors import Hint, Refused
from mlops_desk.base.text import plain
from mlops_desk.serving.export.foreign.target import PythonTarget
from mlops_desk.serving.export.foreign.wheel import WheelFile

_MOST_ROUNDS = 200  # chosen: each takes in what one more package wants; the deepest known here has twelve
_SHOWN = 40  # chosen: what is missing of a full environment is pasted by its command
_VERSIONS = 4  # chosen: so many names fit a sentence
_MODEL = "the model"


@dataclass(frozen=True, slots=True)
class Lack:
    """What is wanted and not there: the requirement, without its marker, by whom, and what is there instead."""

    wanted: str
    by: str
    there: str


@dataclass(slots=True)
class _Want:
    """All that is wanted of one package."""

    by: dict[str, Requirement] = field(default_factory=dict)
    extras: set[str] = field(default_factory=set)


def closure(
    requirements: Iterable[str], wheels_of: Callable[[str], Sequence[WheelFile]], target: PythonTarget
) -> tuple[tuple[WheelFile, ...], tuple[Lack, ...]]:
    """Return the wheels to lay, by name, and what is lacking; ``wheels_of`` returns those of a name.

    Raises Refused where no choice holds, and what ``wheels_of`` raises.
    """
    ranks = target.tags()
    asked = [Requirement(text) for text in requirements]
    chosen: dict[str, WheelFile] = {}
    for _ in range(_MOST_ROUNDS):
        wants = _wants(asked, chosen, target)
        now = {}
        for name, want in wants.items():
            fitting = [one for one in wheels_of(name) if _fits(one, want, target, ranks)]
            if fitting:
                now[name] = max(fitting, key=lambda one: (one.version, -_rank(one, ranks)))
        if now == chosen:
            lacking = [
                _lack(name, want, wheels_of(name), target, ranks) for name, want in wants.items() if name not in now
            ]
            return tuple(now[name] for name in sorted(now)), tuple(sorted(lacking, key=lambda one: one.wanted))
        chosen = now
    raise Refused("Of the wheels no choice was found that fits together.", "Leave one version of each package there.")


def refusal(lacking: Sequence[Lack], target: PythonTarget, folder: str) -> Refused:
    """Return all that is lacking as an error, with the line that fetches it."""
    told = [f"{plain(one.wanted)} (for {plain(one.by)}; {one.there})" for one in lacking[:_SHOWN]]
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    names = " ".join(shlex.quote(one.wanted) for one in lacking)
    command = f"pip download -d {shlex.quote(folder)} {' '.join(target.pip_words())} {names}"
    text = f"The wheels in {plain(folder)} lack what the model needs, for {target.title}: {', '.join(told)}{more}."
    return Refused(text, Hint(command, before="Where there is a network: "))


def _wants(asked: Sequence[Requirement], chosen: Mapping[str, WheelFile], target: PythonTarget) -> dict[str, _Want]:
    """Return what is wanted of each package, of the requirements and of what was chosen that they lead to."""
    wants: dict[str, _Want] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[Requirement, str, frozenset[str]]] = [(one, _MODEL, frozenset()) for one in asked]
    while waiting:
        requirement, by, extras = waiting.pop()
        if not _applies(requirement, extras, target):
            continue
        name = canonicalize_name(requirement.name)
        want = wants.setdefault(name, _Want())
        want.by[f"{by} {requirement}"] = requirement
        want.extras |= {canonicalize_name(one) for one in requirement.extras}
        wheel, wanted = chosen.get(name), frozenset(want.extras)
        if wheel is None or (name, wanted) in done:
            continue
        done.add((name, wanted))
        waiting += [(one, f"{name} {wheel.version}", wanted) for one in wheel.requires]
    return wants


def _applies(requirement: Requirement, extras: frozenset[str], target: PythonTarget) -> bool:
    """Whether it is wanted there; where the full version of Python is not told, whether it may be."""
    marker = requirement.marker
    if marker is None:
        return True
    try:
        environments = target.environments()
        return any(marker.evaluate({**one, "extra": extra}) for one in environments for extra in ("", *extras))
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True  # nobody can tell: then it is wanted


def _fits(wheel: WheelFile, want: _Want, target: PythonTarget, ranks: Mapping[Tag, int]) -> bool:
    return _runs(wheel, target, ranks) and all(
        one.specifier.contains(wheel.version, prereleases=True) for one in want.by.values()
    )


def _runs(wheel: WheelFile, target: PythonTarget, ranks: Mapping[Tag, int]) -> bool:
    return any(tag in ranks for tag in wheel.tags) and target.takes(wheel.pythons)


def _rank(wheel: WheelFile, ranks: Mapping[Tag, int]) -> int:
    return min(ranks[tag] for tag in wheel.tags if tag in ranks)


def _lack(name: str, want: _Want, there: Sequence[WheelFile], target: PythonTarget, ranks: Mapping[Tag, int]) -> Lack:
    running = [one for one in there if _runs(one, target, ranks)]
    if running:
        versions = list(dict.fromkeys(str(one.version) for one in running))[:_VERSIONS]
        words = f"those there are of version {', '.join(versions)}"
    elif there:
        words = f"{plain(there[-1].path.name)} is for another machine or Python"
    else:
        words = "none is there"
    extras = f"[{','.join(sorted(want.extras))}]" if want.extras else ""
    limits = ",".join(sorted({str(one) for wanted in want.by.values() for one in wanted.specifier}))
    by = dict.fromkeys(key.rpartition(f" {one}")[0] for key, one in want.by.items())
    return Lack(f"{name}{extras}{limits}", " and ".join(list(by)[:_VERSIONS]), words)

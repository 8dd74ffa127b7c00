"""How models and their versions are said: metrics, aliases, what serves them, how they drift. No Qt here."""

import math
from collections.abc import Mapping, Sequence

from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import marks, numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound

DIGITS = 4  # significant ones: metrics of versions differ in the third
NO_DRIFT = Mark("muted", numbers.IDLE, "not watched")


def metric(value: float | None) -> str:
    """Return a metric's value; NaN and the infinities are values, too."""
    if value is None:
        return numbers.NOTHING
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{DIGITS}g}"


def order_of(value: float | None) -> float:
    """Return what a metric is sorted by: what has none, or no number, comes after all that have one."""
    return -math.inf if value is None or math.isnan(value) else value


def version_number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def counted(found: VersionsFound, shown: Sequence[VersionHit]) -> str:
    """Return how many versions are shown, and of how many where those are the newest alone."""
    if found.n_found <= len(found.hits):
        return numbers.count(len(shown), "version")
    return f"the newest {len(shown):,} of {numbers.count(found.n_found, 'version')}"


def unfinished(found: VersionsFound) -> str:
    """Say what may still come of an answer, and why it may be old; nothing where it is whole."""
    said = []
    if found.problem is not None:
        of = "" if found.read_at is None else f" What is shown is of {numbers.day_and_clock(found.read_at)}."
        said.append(f"{numbers.WARNING} {plain(found.problem, 400)}{of}")
    if found.n_unread:
        said.append(f"{numbers.count(found.n_unread, 'version')} more may match: files are still being looked into.")
    if found.is_loading:
        said.append("Runs are still being read: metrics come with them.")
    return " ".join(said)


def key_of(hit: VersionHit) -> str:
    """Return what the page calls a version: NAME/VERSION."""
    return f"{hit.name}/{hit.version}"


def named(hit: VersionHit) -> str:
    return f"{plain(hit.name, 60)} version {plain(hit.version, 20)}"


def aliases(card: ModelCard) -> str:
    """Return the aliases with where they point: ``champion 3 · challenger 5``."""
    return " · ".join(f"{plain(alias, 40)} {plain(version, 20)}" for alias, version in card.aliases.items())


def drift(verdict: str | None) -> Mark:
    """Return the mark of the gravest verdict on a model's endpoints."""
    if verdict is None:
        return NO_DRIFT
    known = {one.value: mark for one, mark in marks.VERDICT_MARKS.items()}
    return known.get(verdict, Mark("unknown", numbers.UNKNOWN, plain(verdict, 40)))


def serving(endpoints: Mapping[str, str], version: str) -> tuple[str, ...]:
    """Return the endpoints that serve a version."""
    return tuple(name for name, served in endpoints.items() if served == version)


def is_watched(card: ModelCard) -> bool:
    return card.drift is not None and card.drift in {one.value for one in Verdict}

"""What a move of an alias brings, in words: where from, where to, which metric goes up or down, who follows. No Qt."""

from collections.abc import Mapping, Sequence

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.parts.compare import comparison
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.alias_move import AliasPreview, Follower
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue
from mlops_desk.registry.records.version_hit import VersionHit
from mlops_desk.registry.window.models import metrics

NO_VERSION = "none"
"""The verb's word for an alias that does not exist."""


def is_move(preview: AliasPreview) -> bool:
    """Tell whether anything would change."""
    return preview.from_version != preview.to_version


def sentence(preview: AliasPreview) -> str:
    """Say what would change."""
    alias, to = plain(preview.alias, 60), plain(preview.to_version, 20)
    if preview.from_version is None:
        return f"{alias} does not exist yet; it will point at version {to}."
    if not is_move(preview):
        return f"{alias} points at version {to} already."
    return f"{alias} moves from version {plain(preview.from_version, 20)} to version {to}."


def sides(preview: AliasPreview) -> tuple[int | None, int]:
    """Return at which places of the values the version from which and that to which it moves stand."""
    return (0, 1) if preview.from_version is not None and is_move(preview) else (None, 0)


def changes(preview: AliasPreview) -> list[ComparedValue]:
    """Return the metrics, those that change first, and of these the ones whose direction is known."""
    values = [one for one in preview.values if one.group is ComparedGroup.METRICS]
    return sorted(values, key=lambda one: (not one.differs, one.best is None, one.key))


def verdict(preview: AliasPreview) -> tuple[str, str]:
    """Say whether the metrics are better with the new version, and the colour of that."""
    before, after = sides(preview)
    if before is None:
        return "", "muted"
    known = [said for one in changes(preview) if (said := comparison.change(one, after, before)) is not None]
    better = sum(is_better is True for _, is_better in known)
    worse = sum(is_better is False for _, is_better in known)
    if not known:
        return "No metric of both says which of them is better.", "muted"
    if not better and not worse:
        return "The metrics differ; which way is better is not known.", "muted"
    parts = []
    if worse:
        parts.append(f"{numbers.WARNING} {numbers.count(worse, 'metric is', 'metrics are')} worse")
    if better:
        parts.append(f"{numbers.count(better, 'metric is', 'metrics are')} better")
    return f"{', '.join(parts)}.", "warning" if worse else "ok"


def change(value: ComparedValue, preview: AliasPreview) -> tuple[str, str]:
    """Return how a metric changes, and the colour: the arrow says up or down, the colour better or worse."""
    before, after = sides(preview)
    said = None if before is None else comparison.change(value, after, before)
    if said is None:
        return ("the same" if before is not None and not value.differs else numbers.NOTHING), "muted"
    text, is_better = said
    is_better = _by_name(value.key, text) if is_better is None else is_better
    word = {True: " better", False: " worse", None: ""}[is_better]
    return f"{text}{word}", {True: "ok", False: "alert", None: "text"}[is_better]


def _by_name(name: str, arrow: str) -> bool | None:
    lower = metrics.is_lower_better(name)
    return None if lower is None else arrow.startswith("▼") is lower


def follows(follower: Follower, preview: AliasPreview) -> str:
    """Say what becomes of an endpoint."""
    name, serves = plain(follower.endpoint, 60), plain(follower.serves, 20)
    if follower.serves == preview.to_version:
        return f"{numbers.OK} {name} serves version {serves} already."
    if follower.follows:
        return f"{numbers.INFO} {name} follows by itself: version {plain(preview.to_version, 20)} instead of {serves}."
    return f"{numbers.WARNING} {name} stays on version {serves} until you deploy."


def staying(followers: Sequence[Follower], preview: AliasPreview) -> list[Follower]:
    """Return the endpoints that a move changes nothing for."""
    return [one for one in followers if not one.follows and one.serves != preview.to_version]


def stays(hit: VersionHit, endpoints: Mapping[str, str]) -> str:
    """Say what an alias that is taken away changes for the endpoints that serve its version."""
    serving = [plain(name, 60) for name, version in endpoints.items() if version == hit.version]
    if not serving:
        return "No endpoint of this desk serves this version."
    return f"{', '.join(serving)} {'goes' if len(serving) == 1 else 'go'} on with version {plain(hit.version, 20)}."

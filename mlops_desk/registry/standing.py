"""What stands on each model of a registry: endpoints that serve it, and the gravest of what they see drift. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlops_desk.records.registry.version_hit import ModelCard
from mlops_desk.registry.lineage.outside import KnownDrift, KnownEndpoint

_GRAVEST = ("critical", "drift", "warning", "insufficient_data", "ok")
_ENDED = frozenset({"failed", "stopped"})
"""States of an endpoint (``EndpointState``) in which no version of it answers, or will without being asked to."""


def standing(
    cards: Iterable[ModelCard], endpoints: Sequence[KnownEndpoint], drift: Sequence[KnownDrift]
) -> list[ModelCard]:
    """Return the cards with what stands on their models; ``drift`` has the newest report of each endpoint."""
    serving: dict[str, dict[str, str]] = {}
    for one in endpoints:
        if one.state not in _ENDED:
            serving.setdefault(one.model, {})[one.name] = one.version
    verdicts = {one.endpoint: one.verdict for one in drift}
    return [
        replace(card, endpoints=served, drift=gravest(verdicts[name] for name in served if name in verdicts))
        if (served := serving.get(card.name))
        else card
        for card in cards
    ]


def gravest(verdicts: Iterable[str]) -> str | None:
    """Return the gravest of some verdicts, None for none; one that nobody knows counts less than any known."""
    return min(verdicts, key=lambda one: _GRAVEST.index(one) if one in _GRAVEST else len(_GRAVEST), default=None)

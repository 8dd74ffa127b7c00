"""The replicas of an endpoint: which are to answer, how many a revision needs, which numbers are free. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlops_desk.records.serving.endpoint import Endpoint, Replica
from mlops_desk.serving.rollout.told import DRAINING

RUNNING = "running"
DOWN = "down"
"""The states of a replica besides that of one that is on its way out."""
_WHOLE_PERCENT = 100.0  # shares are in percent, as people say them
_ROUNDING = 1e-9  # 28 percent of 25 are a little more than 7 to a double


def answering(endpoint: Endpoint) -> list[Replica]:
    """Return the replicas of an endpoint that are to answer, whether they do or are down for now."""
    return [replica for replica in endpoint.replicas if replica.state != DRAINING]


def of_revision(endpoint: Endpoint, number: int) -> list[Replica]:
    """Return the replicas of one revision that are to answer."""
    return [replica for replica in answering(endpoint) if replica.revision == number]


def ready(endpoint: Endpoint) -> int:
    """Return how many replicas of the live revision answer."""
    return sum(replica.state == RUNNING for replica in of_revision(endpoint, endpoint.revision))


def needed(wanted: int, percent: float | None) -> int:
    """Return how many replicas a revision needs for its share of the requests, one at least; None: for all of them.

    ``wanted`` is how many the endpoint has for all its requests.
    """
    share = 1.0 if percent is None else percent / _WHOLE_PERCENT
    return max(1, math.ceil(wanted * share - _ROUNDING))


def free_numbers(taken: Iterable[int], count: int) -> list[int]:
    """Return the ``count`` smallest numbers from 1 on that are not taken."""
    known = set(taken)
    return [number for number in range(1, len(known) + count + 1) if number not in known][:count]


def without(replicas: Sequence[Replica], others: Sequence[Replica]) -> tuple[Replica, ...]:
    """Return ``replicas`` but for ``others``."""
    containers = {one.container for one in others}
    return tuple(one for one in replicas if one.container not in containers)


def draining(replicas: Sequence[Replica], leaving: Sequence[Replica]) -> tuple[Replica, ...]:
    """Return ``replicas``, those of ``leaving`` as on their way out."""
    containers = {one.container for one in leaving}
    return tuple(replace(one, state=DRAINING) if one.container in containers else one for one in replicas)

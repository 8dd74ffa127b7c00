"""What the gateway says about itself: to the agent as JSON, to Prometheus as text."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlops_desk.serving.gateway.house import Log
from mlops_desk.serving.gateway.lane import EndpointLane
from mlops_desk.serving.gateway.messages import Answer
from mlops_desk.serving.gateway.outbound.pool import ReplicaPools
from mlops_desk.serving.gateway.prometheus import CONTENT_TYPE, exposition
from mlops_desk.serving.gateway.traffic import together


class GatewayFigures:
    """The counters of all endpoints."""

    def __init__(self, lanes: Mapping[str, EndpointLane], log: Log, pools: ReplicaPools) -> None:
        self._lanes = lanes
        self._pools = pools
        self._log = log

    async def stats(self, serial: int) -> Answer:
        """Return what the agent reads: the table's serial, each endpoint's counters, what is under way at replicas."""
        counted = {
            name: self._counted(name, lane)
            for name, lane in self._lanes.items()
            if lane.counters or lane.under_way or lane.waiting
        }
        told = {"serial": serial, "endpoints": counted, "replicas": self._pools.in_use}
        return Answer(200, json.dumps(told).encode())

    async def metrics(self, name: str | None) -> Answer:
        """Return the counters of one endpoint, or of all."""
        lanes = {known: lane for known, lane in self._lanes.items() if name in {None, known}}
        unlogged = {known: self._log.unlogged(known) for known in lanes}
        return Answer(200, exposition(lanes, unlogged), CONTENT_TYPE)

    def _counted(self, name: str, lane: EndpointLane) -> dict[str, Any]:
        return {
            **asdict(together(lane.counters.values())),
            "unlogged": lane.unlogged + self._log.unlogged(name),
            "queued": lane.waiting,
            "in_flight": lane.in_flight,
            "under_way": dict(lane.under_way),
            "shadows_dropped": lane.shadows_dropped,
            "shadows": {revision: asdict(counters) for revision, counters in lane.shadow_counters.items()},
            "revisions": {revision: asdict(counters) for revision, counters in lane.counters.items()},
        }

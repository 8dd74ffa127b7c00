"""Deploying what an alias names now, or will if it holds, as its endpoint was deployed before."""

import threading
import time
from collections.abc import Callable

from mlops_desk.base.caller import current_caller
from mlops_desk.base.text import plain
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.serving.endpoint import DeployStep, Endpoint
from mlops_desk.serving.deployment import DeployAsked, Deployments
from mlops_desk.serving.replicas.claims import EndpointClaims
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.runtimes import choice


class MovedDeployments:
    """Begins deployments that nobody has asked for but an alias. ``ensure`` starts the gateway where none runs."""

    def __init__(
        self, shelf: Shelf, claims: EndpointClaims, deployments: Deployments, ensure: Callable[[], object]
    ) -> None:
        self._shelf = shelf
        self._claims = claims
        self._deployments = deployments
        self._ensure = ensure

    def begin(self, endpoint: Endpoint, version: ModelVersion) -> bool:
        """Begin to deploy a version; False while the endpoint is deployed already. Raises DeskError."""
        alias, following = endpoint.follows, endpoint.following
        found = f"{plain(version.name)}/{version.version} is meant by {plain(alias or '')}, which has moved"
        return self._begun(endpoint, version, found, alias, following.canary_percent if following else None)

    def begin_beside(self, endpoint: Endpoint, version: ModelVersion, percent: float) -> bool:
        """Begin to deploy a version that the alias does not mean yet, with ``percent`` of the requests; likewise."""
        leader = endpoint.following.led_by if endpoint.following else None
        found = f"{plain(version.name)}/{version.version} is tried beside by pipeline {plain(leader or '')}"
        return self._begun(endpoint, version, found, None, percent)

    def _begun(
        self, endpoint: Endpoint, version: ModelVersion, found: str, alias: str | None, percent: float | None
    ) -> bool:
        if endpoint.name in self._claims.deployed():
            return False
        live = self._shelf.read(endpoint.name, endpoint.revision)
        asked = DeployAsked(
            alias,
            live.wanted if live else choice.AUTO,
            DeployStep("resolve", found, time.time(), 0.0),
            percent,
            follows=endpoint.follows,
            following=endpoint.following,
        )
        with self._claims.held(endpoint.name):
            self._ensure()
            self._deployments.begin(endpoint.name, asked, version, current_caller(), threading.Event())
        return True

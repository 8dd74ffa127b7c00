"""Looks at the aliases that endpoints follow, as soon as the registry tells of a change, and deploys what they name."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.base.bus import Bus
from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.failures.trouble_log import TroubleLog
from mlops_desk.base.loop import Loop
from mlops_desk.records.event import RegistryChanged
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.serving.endpoint import AliasFollowing, Endpoint
from mlops_desk.serving.board import EndpointBoard
from mlops_desk.serving.following.decision import decide

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 15.0  # chosen: what became of a deployment is told by then; a move is heard of at once

ResolveAt = Callable[[str, str | None], ModelVersion]
"""Finds the version that MODEL@ALIAS means in the registry of a URI (None: the desk's own). Raises DeskError."""


class AliasFollower:
    """``deploy`` begins to deploy a version; False where the endpoint is worked on already."""

    def __init__(
        self, board: EndpointBoard, resolve: ResolveAt, deploy: Callable[[Endpoint, ModelVersion], bool]
    ) -> None:
        self._board = board
        self._resolve = resolve
        self._deploy = deploy
        self._bell = threading.Event()
        self._trouble = TroubleLog(_log, "What endpoint %s follows could not be looked at")

    def start(self, loop: Loop, bus: Bus) -> None:
        """Begin to look, in a thread of its own: a registry may be slow."""
        bus.subscribe(RegistryChanged, lambda _event: self._bell.set())
        loop.beat("follow-aliases", _LOOK_SECONDS, self.look, bell=self._bell)

    def look_soon(self) -> None:
        """Look in the follower's own thread, without waiting for the next turn."""
        self._bell.set()

    def look(self) -> None:
        """Look at all endpoints that follow an alias."""
        for endpoint in self._board.all():
            if endpoint.follows is not None:
                try:
                    self._look_at(endpoint, endpoint.follows)
                except NotFound:
                    continue  # the endpoint was removed meanwhile
                except DeskError as error:
                    self._trouble.failed(endpoint.name, error.message)
                else:
                    self._trouble.over(endpoint.name)

    def _look_at(self, endpoint: Endpoint, alias: str) -> None:
        version = self._named(endpoint, alias)
        named = None if version is None else version.version
        following = endpoint.following or AliasFollowing(named, time.time())
        if following.version != named:
            following = replace(following, version=named, since=time.time())
        decision = decide(endpoint, following)
        following = replace(following, waits_for=decision.waits_for)

        def change(known: Endpoint) -> Endpoint:
            return replace(known, following=following) if known.follows == alias else known

        changed = self._board.change(endpoint.name, change)
        if decision.is_to_deploy and version is not None and changed.following == following:
            self._deploy(changed, version)

    def _named(self, endpoint: Endpoint, alias: str) -> ModelVersion | None:
        """Return the version that an alias names; None for none. Raises DeskError where nobody knows."""
        registry = endpoint.model.registry
        try:
            return replace(self._resolve(f"{endpoint.model.name}@{alias}", registry), registry=registry)
        except NotFound:
            return None

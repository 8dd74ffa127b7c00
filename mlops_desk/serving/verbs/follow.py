"""The verbs about what an endpoint goes with: an alias, by canary or at once, or nothing but its own version."""

import time
from abc import ABC
from dataclasses import replace

from mlops_desk.base.errors import Refused
from mlops_desk.base.text import plain
from mlops_desk.records.serving.endpoint import AliasFollowing, Endpoint
from mlops_desk.serving import plan
from mlops_desk.serving.board import EndpointBoard
from mlops_desk.serving.following.follower import AliasFollower, ResolveAt
from mlops_desk.serving.runtimes import choice


class FollowVerbs(ABC):
    """Stands on what the service has made. ``resolve_at`` finds what an alias names in an endpoint's registry."""

    _board: EndpointBoard
    _follower: AliasFollower
    _resolve_at: ResolveAt

    def follow(self, name: str, alias: str, canary: float | None = None) -> Endpoint:
        """Have an endpoint go with an alias from now on; raises Invalid, NotFound, Refused, Unavailable."""
        known = self._board.get(name)
        percent = plan.first_percent(shadow=False, canary=canary)
        if known.runtime == choice.IMAGE:
            text = f"Endpoint {name} serves an image, which has no aliases to follow."
            raise Refused(text, "Deploy the next image to it by hand.")
        plan.followed(plan.ModelQuery(known.model.name), alias)
        version = self._resolve_at(f"{known.model.name}@{alias}", known.model.registry)
        following = AliasFollowing(plain(version.version), time.time(), percent)
        changed = self._board.change(name, lambda one: replace(one, follows=alias, following=following))
        self._follower.look_soon()
        return changed

    def pin(self, name: str) -> Endpoint:
        """Have an endpoint stay on its version whatever an alias names; raises NotFound."""
        return self._board.change(name, lambda one: replace(one, follows=None, following=None))

"""What a request finds in the gateway, and what every request that has a body does with it."""

from typing import Protocol

from mlops_desk.kit.base.network import Places
from mlops_desk.serving.gateway.deadlines import Deadlines
from mlops_desk.serving.gateway.endpoint_pool import EndpointLane
from mlops_desk.serving.gateway.messages import Answer, Asker, Rejected, busy
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, Split
from mlops_desk.serving.gateway.shadow import Shadows
from mlops_desk.serving.gateway.spool import Exchange


class Log(Protocol):
    """What is asked of the request log; nothing of it waits."""

    def keep(self, name: str, exchange: Exchange) -> bool:
        """Note an exchange; False when it is one too many."""
        ...

    def unlogged(self, name: str) -> int:
        """Return how many were noted and then not taken by the disk."""
        ...


class OpenEndpoint:
    """One endpoint by the newest table, made ready."""

    def __init__(self, name: str, endpoint: EndpointRoutes, lane: EndpointLane) -> None:
        self.name = name
        self.endpoint = endpoint
        self.lane = lane
        self.split = Split(endpoint.routes)
        self.is_asleep = endpoint.hold_seconds > 0.0 and not any(route.addresses for route in endpoint.routes)
        self.sticky_header = None if endpoint.sticky_header is None else endpoint.sticky_header.lower().encode()

    def is_another(self, other: "OpenEndpoint") -> bool:
        """Tell whether this is another endpoint of the same name: one was removed, and the next deployed."""
        return self.endpoint.log != other.endpoint.log


class House(Protocol):
    """What a request finds in the gateway."""

    memory: Places
    shadows: Shadows
    log: Log
    deadlines: Deadlines

    @property
    def limits(self) -> GatewayLimits:
        """Return the limits of the newest table."""
        ...

    def entry(self, name: str) -> OpenEndpoint | None:
        """Return the endpoint of a name, by the newest table."""

    def wake(self, name: str) -> None:
        """Tell the agent that somebody waits for an endpoint that sleeps."""


class BodyCall:
    """A request whose body is held: what it takes of memory is given back at its end."""

    def __init__(self, house: House, caller: Asker) -> None:
        self.peer = caller.peer
        self.house = house
        self.caller = caller
        self._held = self._size = 0

    def take(self, amount: int) -> None:
        """Note that so much of the body came. Raises Rejected."""
        self._size += amount
        limit = self.house.limits.body_bytes
        if self._size > limit:
            raise Rejected(413, f"A request may have {limit} bytes.")
        self.hold(amount)

    def hold(self, amount: int) -> None:
        """Take memory. Raises Rejected when too much is taken already."""
        if not amount:
            return
        if not self.house.memory.take(self.peer, amount):
            raise busy("Too much is being sent at once.", close=True)
        self._held += amount

    @property
    def ends_with_caller(self) -> bool:
        """Return whether a caller who sends no more is taken for one who has gone."""
        return False

    def refuse(self, answer: Answer) -> Answer:
        return answer

    def pause(self) -> None:
        """Do nothing: it has no pieces."""

    def resume(self) -> None:
        """Do nothing: it has no pieces."""

    def abandon(self) -> None:
        """End what was begun, though nobody hears of it."""
        self.release()

    def release(self) -> None:
        held, self._held = self._held, 0
        if held:
            self.house.memory.give(self.peer, held)

"""For how long nobody has asked an endpoint anything. Pure: the clock is handed in."""

from dataclasses import dataclass


@dataclass(slots=True)
class _Seen:
    requests: int
    since: float


class Idleness:
    """What was seen of each endpoint. An agent that has just begun counts from then on."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def seconds(self, name: str, requests: int, under_way: int, now: float) -> float:
        """Return for how long nothing came or was under way; ``requests`` is a counter, which may begin again."""
        seen = self._seen.get(name)
        if seen is None or seen.requests != requests or under_way:
            seen = self._seen[name] = _Seen(requests, now)
        return now - seen.since

    def forget(self, name: str) -> None:
        """Begin anew with an endpoint."""
        self._seen.pop(name, None)

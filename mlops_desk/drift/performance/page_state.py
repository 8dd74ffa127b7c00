"""How far Page's test has come in a part of a stream: small, of plain numbers, and two parts' states add up. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageState:
    """One direction of one stream, or of a part of it; positions are rows, counted from 0 at its beginning.

    ``level`` is the sum, ``low`` its lowest point (0 at the beginning among them) after ``at_low`` rows, ``high`` its
    highest after ``at_high``; ``rise`` is the most that it stood above an earlier lowest point, from ``since`` to
    ``until``.
    """

    n: int = 0
    level: float = 0.0
    low: float = 0.0
    at_low: int = 0
    high: float = 0.0
    at_high: int = 0
    rise: float = 0.0
    since: int = 0
    until: int = 0

    def joined(self, after: "PageState") -> "PageState":
        """Return the state of this part and the one after it together."""
        low, at_low = self.level + after.low, self.n + after.at_low
        high, at_high = self.level + after.high, self.n + after.at_high
        found = [
            (self.rise, self.since, self.until),
            (high - self.low, self.at_low, at_high),
            (after.rise, self.n + after.since, self.n + after.until),
        ]
        rise, since, until = max(found, key=lambda one: one[0])
        below, above = low < self.low, high > self.high
        return PageState(
            self.n + after.n,
            self.level + after.level,
            low if below else self.low,
            at_low if below else self.at_low,
            high if above else self.high,
            at_high if above else self.at_high,
            rise,
            since,
            until,
        )

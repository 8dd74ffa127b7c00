"""Places for those who come from outside: counted in all and for each of them, so that nobody takes all. Pure."""


class Places:
    """Counts what is taken, in total and by each peer, against a limit for each."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self.most = most
        self.most_of_one = most_of_one
        self.taken = 0
        self._by_peer: dict[str, int] = {}

    def of(self, peer: str) -> int:
        """Return what ``peer`` has taken."""
        return self._by_peer.get(peer, 0)

    def take(self, peer: str, amount: int = 1) -> bool:
        """Take ``amount`` for ``peer``; False, and nothing is taken, when that is more than there is."""
        of_one = self._by_peer.get(peer, 0) + amount
        if self.taken + amount > self.most or of_one > self.most_of_one:
            return False
        self.taken += amount
        self._by_peer[peer] = of_one
        return True

    def give(self, peer: str, amount: int = 1) -> None:
        """Give back what was taken."""
        self.taken -= amount
        left = self._by_peer.get(peer, 0) - amount
        if left > 0:
            self._by_peer[peer] = left
        else:
            self._by_peer.pop(peer, None)  # peers come and go for as long as the process lives

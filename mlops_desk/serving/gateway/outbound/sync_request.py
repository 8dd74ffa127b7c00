"""One question from a thread that has no event loop, over a connection of its own: how the agent asks a container."""

import asyncio

from mlops_desk.serving.gateway.messages import Rejected
from mlops_desk.serving.gateway.outbound.pool import Errand, ReplicaPools
from mlops_desk.serving.gateway.outbound.question import Lost, Question, Reply


def ask_at_once(address: str, question: Question, timeout_seconds: float, limit_bytes: int) -> Reply:
    """Ask within a deadline for all of it. Raises NotConnected and Lost."""

    async def asked() -> Reply:
        taker = _Whole(limit_bytes)
        pools = ReplicaPools()
        errand = Errand(pools, (address,), question, taker)
        errand.go()
        try:
            async with asyncio.timeout(timeout_seconds):
                return await taker.reply
        finally:
            errand.drop()
            pools.follow(frozenset())  # the connection is kept for the next question, and there is none
            await asyncio.sleep(0)  # a transport closes its socket in the loop's next round

    try:
        return asyncio.run(asked())
    except TimeoutError as error:
        raise Lost(f"no answer within {timeout_seconds:g} s") from error


class _Whole:
    """Takes an answer as a whole, whatever way it comes."""

    def __init__(self, limit_bytes: int) -> None:
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._limit_bytes = limit_bytes
        self._pieces: list[bytes] = []
        self._size = self._status = 0
        self._content_type = b""

    def hold(self, amount: int) -> None:
        self._size += amount
        if self._size > self._limit_bytes:
            raise Rejected(502, f"an answer of more than {self._limit_bytes} bytes")

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:
        if not self.reply.done():
            self.reply.set_result(Reply(status, body, content_type.decode("latin-1")))

    def begins(self, status: int, content_type: bytes) -> None:
        self._status, self._content_type = status, content_type

    def piece(self, data: bytes) -> None:
        self._pieces.append(data)

    def ended(self) -> None:
        self.whole(self._status, self._content_type, b"".join(self._pieces))

    def failed(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(Lost(str(error)) if isinstance(error, Rejected) else error)

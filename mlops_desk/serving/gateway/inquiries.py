"""Calls that are no requests to a model: pings, counters, feedback, what the agent asks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mlops_desk.base.errors import Invalid
from mlops_desk.serving.gateway.call import ModelCall
from mlops_desk.serving.gateway.house import BodyCall, House
from mlops_desk.serving.gateway.messages import Answer, Asker, Rejected, busy

_log = logging.getLogger(__name__)


class PingCall(ModelCall):
    """Asks a replica whether it is well; neither counted nor logged, and what it says is its status.

    It wakes nobody: what asks every few seconds whether a model is well would keep it awake.
    """

    def start(self, body: bytes) -> None:  # noqa: ARG002 - see below
        if self._entry.is_asleep:
            raise busy(self._entry.endpoint.note or "This endpoint sleeps.")
        super().start(b"")  # a ping is asked for without limit: what came with it is not handed on

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:  # noqa: ARG002 - it is not passed on
        self._end(status, b"")
        if not self._is_gone:
            self.caller.answer(self._signed(Answer(status, b"\n"), self._id))

    def begins(self, status: int, content_type: bytes) -> None:
        self._drop()
        self.whole(status, content_type, b"")

    def _note(self, status: int, body: bytes) -> bytes:  # noqa: ARG002 - it is neither counted nor logged
        return self._id


class LaterCall(BodyCall):
    """Answered by ``work``, which is handed the body and may take its time; the event loop goes on."""

    def __init__(self, house: House, caller: Asker, work: Callable[[bytes], Awaitable[Answer]]) -> None:
        super().__init__(house, caller)
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self, body: bytes) -> None:
        self._task = asyncio.get_running_loop().create_task(self._answer(body))

    async def _answer(self, body: bytes) -> None:
        try:
            answer = await self._work(body)
        except Rejected as rejected:
            answer = rejected.answer
        except Invalid as error:
            answer = Rejected(400, str(error)).answer
        except Exception:  # noqa: BLE001 - whoever asked is answered, whatever bug it was
            _log.exception("A request to the gateway itself ended in an error")
            answer = Rejected(500, "The gateway could not do it; its log says why.").answer
        self.caller.answer(answer)

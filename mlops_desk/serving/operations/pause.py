"""The verbs that keep callers away from an endpoint for a while: its containers stay up, and nobody is answered.

A pause lasts until somebody ends it, over restarts of agent and gateway; a stop ends it too, as nothing is up then.
"""

import time
from dataclasses import replace

from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Hint, Invalid, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.records.endpoint import Endpoint, EndpointPause, EndpointState
from mlops_desk.serving.routing_sync import Switchboard

_LONGEST = 300  # chosen: callers read it as one sentence of an error
_AT_REST = frozenset({EndpointState.STOPPED, EndpointState.FAILED})


class PauseVerbs:
    """Stands on what the service has made."""

    _board: EndpointBoard
    _switchboard: Switchboard

    def pause(self, name: str, why: str | None = None) -> Endpoint:
        """Answer nobody until it is resumed; raises Invalid, NotFound, Refused, TimedOut."""
        text = _told(why)
        known = self._board.get(name)
        if known.state in _AT_REST:
            raise Refused(f"Endpoint {name} is {known.state}: it answers nobody as it is.", "Deploy it anew.")
        if known.paused is None or (text is not None and text != known.paused.text):
            pause = EndpointPause(time.time(), current_caller().user, text)
            self._board.change(name, lambda one: replace(one, paused=pause))
        self._switchboard.bring_in()
        self._switchboard.check_followed(f"Endpoint {name} is paused")
        return self._board.get(name)

    def resume(self, name: str) -> Endpoint:
        """Answer again; raises NotFound, Refused, TimedOut."""
        known = self._board.get(name)
        if known.paused is None:
            hint = Hint(f"mlops-desk endpoints show {name}", after=" tells how it stands.")
            raise Refused(f"Endpoint {name} is not paused.", hint)
        self._board.change(name, lambda one: replace(one, paused=None))
        self._switchboard.bring_in()
        self._switchboard.check_followed(f"Endpoint {name} is resumed")
        return self._board.get(name)


def _told(why: str | None) -> str | None:
    """Return what callers are told, in one line. Raises Invalid."""
    text = None if why is None else why.strip()
    if text and (len(text) > _LONGEST or plain(text, _LONGEST) != text):
        raise Invalid(f"Why an endpoint is paused is one line of up to {_LONGEST} characters.", "Say it shorter.")
    return text or None

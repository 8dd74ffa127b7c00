"""One request through the gateway by hand: the agent sends it on its owner's behalf, so it needs none of the tokens."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_desk.base.errors import DeskError, Hint, Invalid, TimedOut, Unavailable
from mlops_desk.records.serving.asking import Tried
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.serving.asking.data import body_of
from mlops_desk.serving.gateway.gatekeeper import GatewayState
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.revision import Shelf

if TYPE_CHECKING:
    import httpx

_SECONDS = 60.0  # chosen: the gateway gives a model half of it, and a queue a sixth
_SHOWN_BYTES = 1 << 20  # chosen: more than one reads; an answer of gigabytes is read no further


class Tries:
    """Sends requests to endpoints' models."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def send(self, endpoint: Endpoint, data: str | None, gateway: GatewayState | None) -> Tried:
        """Send the example of the live revision, or ``data``. Raises Invalid, TimedOut, Unavailable."""
        body = self._body(endpoint, data)
        if gateway is None:
            raise Unavailable("The gateway does not run, so no endpoint answers.", Hint("mlops-desk endpoints list"))
        return _asked(endpoint, body, gateway)

    def _body(self, endpoint: Endpoint, data: str | None) -> bytes:
        revision = self._shelf.read(endpoint.name, endpoint.revision)
        if data is not None:
            return body_of(data, revision.features if revision else ())
        served = None if revision is None else revision.served
        if served is not None:
            example = None if served.golden is None else served.golden.body
        else:
            example = example_of(self._shelf.place(endpoint.name, endpoint.revision))
        if example is None:
            hint = Hint(f"mlops-desk endpoints try {endpoint.name} --data FILE", before="Send one of your own: ")
            what = "model" if served is None else "image"
            raise Invalid(f"The {what} of endpoint {endpoint.name} brings no example.", hint)
        return example


def example_of(place: Path) -> bytes | None:
    """Return the request that was saved with the model of a revision; None where there is none to be had."""
    try:
        return read_model(place / "model").example
    except (DeskError, OSError):
        return None


def _asked(endpoint: Endpoint, body: bytes, gateway: GatewayState) -> Tried:
    import httpx  # noqa: PLC0415 - 15 MB that an agent without endpoints does not need

    name = endpoint.name
    url = f"http://127.0.0.1:{gateway.port}/-/try/{name}{endpoint.example_path}"
    headers = {"authorization": f"Bearer {gateway.token}", "content-type": "application/json"}
    began = time.monotonic()
    try:
        with (
            httpx.Client(trust_env=False, timeout=_SECONDS) as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            read, size, cut = _read(answer, began + _SECONDS)
    except httpx.TimeoutException as error:
        raise TimedOut(f"Endpoint {name} did not answer within {_SECONDS:g} s.") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"The gateway broke off while endpoint {name} was asked: {error}.") from error
    revision = answer.headers.get("x-mlops-desk-revision", "0")
    return Tried(
        endpoint=name,
        status=answer.status_code,
        seconds=time.monotonic() - began,
        request_id=answer.headers.get("x-request-id", ""),
        revision=int(revision) if revision.isdecimal() and revision != "0" else None,
        content_type=answer.headers.get("content-type", ""),
        body=read.decode("utf-8", "replace"),
        body_bytes=size,
        cut=cut,
    )


def _read(answer: "httpx.Response", deadline: float) -> tuple[bytes, int, str | None]:
    """Return what is shown of an answer, how long it is, and why it is not all of it."""
    told = answer.headers.get("content-length", "")
    whole = int(told) if told.isdecimal() else None
    pieces, size = [], 0
    for piece in answer.iter_raw():
        pieces.append(piece[: max(0, _SHOWN_BYTES - size)])
        size += len(piece)
        if size > _SHOWN_BYTES:
            return b"".join(pieces), whole or size, f"only the first {_SHOWN_BYTES:,} bytes are shown"
        if time.monotonic() > deadline:
            return b"".join(pieces), whole or size, f"it was still coming after {_SECONDS:g} s"
    return b"".join(pieces), size, None

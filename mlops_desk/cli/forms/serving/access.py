"""Texts about who may ask an endpoint, and for the token that is told once."""

import shlex

from mlops_desk.records.serving.access import DeployedEndpoint, NewToken
from mlops_desk.records.serving.endpoint import Endpoint

_OPEN = "open to every user of this machine, without a token"


def told(endpoint: Endpoint) -> str:
    """Say who may ask an endpoint."""
    if not endpoint.token_required:
        return _OPEN
    return f"whoever has a token; for a new one: mlops-desk endpoints token {endpoint.name}"


def first_token(endpoint: DeployedEndpoint) -> str:
    """Say how a deployed endpoint is asked, with its first token where it has just got one."""
    if endpoint.token is None:
        return f"\n\nAsk it: {_curl(endpoint.url, is_open=not endpoint.token_required)}" if endpoint.url else ""
    shown = f"\n\nIts token is told this once: {endpoint.token}"
    if endpoint.url is None:
        return shown
    return f"{shown}\nAsk it: TOKEN={shlex.quote(endpoint.token)}; {_curl(endpoint.url, is_open=False)}"


def new_token(made: NewToken) -> str:
    """Tell a new token; it is the last word."""
    held = "the only one that holds" if made.held == 1 else f"one of {made.held} that hold"
    lines = [f"A new token of endpoint {made.endpoint}, {held}. It is told this once."]
    if not made.token_required:
        lines.append(f"The endpoint is {_OPEN}; deploy it with --no-open, and it wants one.")
    if made.url is not None:
        lines.append(f"Ask it: {_curl(made.url, is_open=False)}")
    return "\n".join([*lines, f"The token: {made.token}"])


def _curl(url: str | None, *, is_open: bool) -> str:
    token = "" if is_open else '-H "Authorization: Bearer $TOKEN" '
    return f"curl {token}-H 'Content-Type: application/json' -d @request.json {url}"

"""Making a token while the endpoint answers: what is told holds at the gateway by then."""

from collections.abc import Callable

from mlops_desk.base.errors import Hint, TimedOut
from mlops_desk.records.serving.access import NewToken
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.serving.access.tokens import EndpointTokens


class TokenIssue:
    """Gives out tokens. ``bring_in`` has the gateway follow, and tells whether it goes by the newest tokens."""

    def __init__(self, tokens: EndpointTokens, bring_in: Callable[[], bool]) -> None:
        self._tokens = tokens
        self._bring_in = bring_in

    def give(self, endpoint: Endpoint, *, revokes: bool) -> NewToken:
        """Return a new token; earlier ones open nothing any more if it ``revokes`` them.

        Raises Refused, OSError, and TimedOut where the gateway may still go by the earlier ones.
        """
        token, rules = self._tokens.make(endpoint, revokes=revokes)
        if not self._bring_in() and revokes:
            text = f"The earlier tokens of endpoint {endpoint.name} are revoked, but its gateway does not know it yet."
            raise TimedOut(text, Hint(f"mlops-desk endpoints token {endpoint.name} --revoke", before="Try again: "))
        return NewToken(endpoint.name, token, len(rules.tokens), not rules.is_open, endpoint.url)

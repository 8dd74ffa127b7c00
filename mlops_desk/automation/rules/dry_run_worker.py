"""The worker that judges a dry run: a process of its own that is given one TrialRequest on stdin.

It answers with what the rule would have done, and says on stderr how many hundredths of the span it has judged. Curves
stay eight bytes a value: a quarter of 32 things by the minute is 70 MB, and no more than a gigabyte is ever taken.
"""

import sys
from typing import Any

from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.dry_run import would_fire
from mlops_desk.automation.rules.dry_run_client import WHOLE, TrialRequest, unpacked
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.process import limit_memory, serve_one

_MEMORY_BYTES = 1 << 30  # chosen: the longest that is taken needs a third of it


def answer(given: dict[str, Any]) -> Any:
    """Return what the rule would have done, oldest first. Raises Invalid."""
    request = wire.from_builtins(given, TrialRequest)
    spec = parse_rule(request.document, {(one.device, one.name): one for one in request.metrics})
    said = 0

    def tell(at: float) -> None:
        nonlocal said
        now = int(WHOLE * (at - request.since) / (request.until - request.since))
        if now > said:
            said = now
            sys.stderr.write(f"{now}\n")
            sys.stderr.flush()

    past = [unpacked(one) for one in request.series]
    del given
    return wire.to_builtins(would_fire(spec, past, request.since, request.until, tell))


if __name__ == "__main__":
    limit_memory(_MEMORY_BYTES)
    serve_one(answer)

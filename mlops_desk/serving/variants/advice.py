"""One sentence about variants that follows from their figures alone. Pure."""

from collections.abc import Sequence

from mlops_desk.records.serving.processor_words import helping
from mlops_desk.records.serving.variants import Variant

_WORTH = 1.1  # chosen: less than a tenth comes and goes from one run to the next
_LOSS = 0.01  # chosen: one row of a hundred


def advice(variants: Sequence[Variant], processor: Sequence[str]) -> str:
    """Say which variant is worth taking on this machine, and what it costs."""
    measured = [one for one in variants if one.rows_per_second is not None]
    if not measured:
        return "No variant could be measured."
    base = measured[0]
    kept = [one for one in measured if _loss(base, one) <= _LOSS and one.changed != 0]
    best = max([base, *kept], key=_speed)
    if _speed(best) < _WORTH * _speed(base):
        stay = f"Stay with {_named(base)}: nothing that answers as well is faster by a tenth here."
        return stay + _refused(measured, base)
    words = f" with {', '.join(helping(best.variant, processor))}" if processor else ""
    return (
        f"Take {_named(best)}: {_speed(best) / _speed(base):.1f} times the throughput of {_named(base)} on this"
        f" processor{words}, {_difference(base, best)}."
    )


def _speed(one: Variant) -> float:
    return one.rows_per_second or 0.0


def _quality(one: Variant) -> float | None:
    return one.agreement if one.accuracy is None else one.accuracy


def _loss(base: Variant, one: Variant) -> float:
    """Return how much worse a variant answers, as a share of rows; all of it where nobody knows."""
    before, now = _quality(base), _quality(one)
    return 1.0 if before is None or now is None else before - now


def _difference(base: Variant, one: Variant) -> str:
    if one.accuracy is not None and base.accuracy is not None:
        change = 100 * (one.accuracy - base.accuracy)
        return "at the same accuracy" if change == 0 else f"accuracy {change:+.1f} points"
    return f"{100 * (one.agreement or 0.0):.1f} % of the answers are the same"


def _refused(measured: Sequence[Variant], base: Variant) -> str:
    faster = [one for one in measured if _speed(one) >= _WORTH * _speed(base) and _loss(base, one) > _LOSS]
    if not faster:
        return ""
    best = max(faster, key=_speed)
    return f" {_named(best).capitalize()} is faster, but {_difference(base, best)}."


def _named(one: Variant) -> str:
    return f"{one.variant} on {one.threads} thread{'' if one.threads == 1 else 's'}"

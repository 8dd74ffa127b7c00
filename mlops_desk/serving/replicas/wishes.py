"""What people may ask for of an endpoint's replicas: numbers that make sense, and what they mean together. Pure."""

from dataclasses import replace

from mlops_desk.base.errors import Invalid
from mlops_desk.records.serving.endpoint import EndpointScale

MOST_REPLICAS = 64  # chosen: more processes of one model than a large machine has cores to spare
MOST_GPUS = 16  # as many as the largest servers have
LEAST_IDLE_SECONDS = 10.0  # chosen: a start takes about as long, so less would start and end all day


def scale_of(
    before: EndpointScale,
    replicas: int | None = None,
    least: int | None = None,
    most: int | None = None,
    sleep_after: float | None = None,
) -> EndpointScale:
    """Return how many replicas are meant: ``replicas`` is both the least and the most, what is None stays.

    ``sleep_after`` is in seconds; 0 means never. Raises Invalid.
    """
    if replicas is not None and (least is not None or most is not None):
        raise Invalid("Give a number of replicas, or the least and the most, not both.", "For example: --min 1 --max 4")
    low = replicas if replicas is not None else least
    high = replicas if replicas is not None else most
    low = low if low is not None else min(before.least, before.most if high is None else high)
    high = high if high is not None else max(before.most, low)
    if not 1 <= low <= high <= MOST_REPLICAS:
        many = f"{low} replicas" if low == high else f"between {low} and {high} replicas"
        text = f"An endpoint can't have {many}."
        hint = f"Take from 1 to {MOST_REPLICAS}, the least first; endpoints stop NAME ends them all."
        raise Invalid(text, hint)
    if sleep_after is None:
        return replace(before, least=low, most=high)
    if sleep_after != 0.0 and not sleep_after >= LEAST_IDLE_SECONDS:
        raise Invalid(
            f"An endpoint can't fall asleep after {sleep_after:g} s.",
            f"Take {LEAST_IDLE_SECONDS:g} s or more, as 30m; 0 keeps it awake.",
        )
    return EndpointScale(low, high, sleep_after or None)


def check_gpus(gpus: int | None) -> int | None:
    """Return ``gpus`` if a replica can have so many. Raises Invalid."""
    if gpus is not None and not 0 <= gpus <= MOST_GPUS:
        raise Invalid(f"A replica can't have {gpus} GPUs.", f"Take from 0 to {MOST_GPUS}.")
    return gpus

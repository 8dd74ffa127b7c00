"""GPUs that endpoints lend and ask for: which those are, for whom an endpoint waits, and what that one does. Pure."""

from collections.abc import Mapping, Sequence

from mlops_desk.gpus.records.gpu_status import CardHolder, GpuCard
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.replicas import answering

CLAIMED = "claimed"
_NAMED = 4  # chosen: as many as a line takes


def lent(endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """Return the GPUs that endpoints lend to jobs, with the endpoint's name."""
    return {gpu: one.name for one in endpoints if one.lent is not None for gpu in one.lent.gpus}


def claimed(endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """Return the GPUs that endpoints have asked for and wait for, with the endpoint's name: they are nobody else's."""
    return {gpu: one.name for one in endpoints for gpu in missing(one)}


def spoken_for(endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """Return the GPUs that no other endpoint gets, with the name of the one whose they are."""
    return {**lent(endpoints), **claimed(endpoints)}


def missing(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the GPUs that an endpoint has asked for and that none of its replicas has."""
    has = {gpu for replica in answering(endpoint) for gpu in replica.gpus}
    return tuple(gpu for gpu in endpoint.claimed if gpu not in has)


def reason(gpus: Sequence[str], waits: Sequence[str]) -> Reason:
    """Say that an endpoint waits for the GPUs that it had lent, and why each of them is not there yet."""
    text = f"It waits for {count(gpus)} that it had lent."
    told = "; ".join(waits[:_NAMED]) + (f"; and {len(waits) - _NAMED} more" if len(waits) > _NAMED else "")
    return Reason(CLAIMED, f"{text} {told}." if told else text, None, _hint() if waits else None)


def unknown(gpus: Sequence[str], why: str) -> Reason:
    """Say that nobody can tell now how the GPUs stand."""
    return Reason(CLAIMED, f"It waits for {count(gpus)} that it had lent. {plain(why)}")


def waits(away: Sequence[GpuCard], jobs: Mapping[str, Job]) -> list[str]:
    """Say of each GPU that is not free who has it; ``jobs`` are those of ours that were asked, as they stand."""
    return [
        f"GPU {card.index}: {', '.join(_waits(holder, jobs) for holder in card.holders) or _state(card)}"
        for card in sorted(away, key=lambda card: (card.index, card.uuid))
    ]


def count(gpus: Sequence[str]) -> str:
    """Say how many GPUs of its own an endpoint speaks of."""
    return "its GPU" if len(gpus) == 1 else f"its {len(gpus)} GPUs"


def _waits(holder: CardHolder, jobs: Mapping[str, Job]) -> str:
    name = plain(holder.label)
    job = jobs.get(holder.job_id or "")
    if job is None:
        return f"{name}{f' of {plain(holder.user)}' if holder.user else ''} has it, and is not this desk's to ask"
    if not job.spec.preemptible:
        return f"{name} is not preemptible, so it has it until it ends"
    if job.state is JobState.STARTING:
        return f"{name} is being started, and is asked for it as soon as it runs"
    return f"{name} was asked to save its work and give way"


def _state(card: GpuCard) -> str:
    return plain(card.text) or card.state.value


def _hint() -> Hint:
    return Hint("mlops-desk gpus cards", before="Who holds them until when: ")

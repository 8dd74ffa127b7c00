"""What is told of a decision: a few words, never a paragraph."""

import time
from collections.abc import Sequence
from functools import lru_cache

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import GpuCard, in_all
from mlops_desk.jobs.queue.plan import (
    NEVER_ENOUGH_GPUS,
    WAITING_FOR_GPUS,
    WAITING_FOR_JOBS,
    WAITING_FOR_QUOTA,
    WAITING_FOR_SLOT,
    WAITING_FOR_TIME,
)
from mlops_desk.jobs.queue.view import Wish
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.waiter import Waiter
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import binary_size, plain

_NAME_LIMIT = 40  # chosen: enough to know a job by, and the sentence stays short
_TEXT_LIMIT = 80  # chosen: what the ledger says of a card in a few words
_NAMED = 3  # chosen: as many ids as a short line takes
NO_DRIVER = Reason(WAITING_FOR_GPUS, "The GPU driver can't be asked, so no GPU is given out.")
LATER = Reason(WAITING_FOR_TIME, "Is to begin at a time that has not come.")


def gpus_word(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def asked(need: Need) -> str:
    """Say what GPUs are asked for: "2 GPUs with 40 GiB of memory"."""
    text = gpus_word(need.gpus)
    if need.model is not None:
        text += f" like {plain(need.model, _NAME_LIMIT)}"
    if need.memory_bytes is not None:
        text += f" with {binary_size(need.memory_bytes)} of memory"
    if need.shares:
        text += f", {binary_size(need.share_bytes or 0)} of {'it' if need.gpus == 1 else 'each'}"
    return text + (f" ({', '.join(plain(uuid, _NAME_LIMIT) for uuid in need.uuids[:_NAMED])})" if need.uuids else "")


def never(need: Need, fitting: int, cards: Sequence[GpuCard]) -> Reason:
    """Say why a job can't start on this machine however long it waits; ``fitting`` are cards that it could use."""
    is_plain = asked(need) == gpus_word(need.gpus)
    if not cards:
        text = f"Asks for {gpus_word(need.gpus)}; no GPU is known where it is to run."
    elif is_plain or need.gpus > sum(card.parent is None for card in cards):
        text = f"Asks for {gpus_word(need.gpus)}; this machine has {in_all(cards)}."
    else:
        whole = " whole" if need.gpus > 1 and any(card.parent is not None for card in cards) else ""
        text = f"Asks for {asked(need)}; this machine has {fitting}{whole}."
    return Reason(NEVER_ENOUGH_GPUS, text, hint="Ask for less, or cancel the job.")


def first(need: Need, free: int, broken: Sequence[GpuCard] = ()) -> Reason:
    """Say that a job is next; ``broken`` are cards that it could use, and that nobody is given."""
    text = f"Needs {asked(need)}, {free} free; first in line."
    return Reason(WAITING_FOR_GPUS, f"{text} Not given out: {_all_away(broken)}." if broken else text)


def stopping(need: Need, free: int, names: Sequence[str]) -> Reason:
    """Say that others are asked to stop for a job."""
    told = ", ".join(plain(name, _NAME_LIMIT) for name in names[:_NAMED])
    return Reason(WAITING_FOR_GPUS, f"Needs {asked(need)}, {free} free; {told} is saved and stopped for it.")


def behind(need: Need, free: int, name: str) -> Reason:
    """Say for whom the free GPUs are kept."""
    are = "one that is free is" if free == 1 else f"{free} that are free are"
    text = f"Needs {asked(need)}; the {are} kept for {plain(name, _NAME_LIMIT)}, which is first in line."
    return Reason(WAITING_FOR_GPUS, text)


def kept_for(need: Need, cards: Sequence[GpuCard], waiter: Waiter) -> Reason:
    """Say for whose job of another agent GPUs are kept, and since when that one waits."""
    told = ", ".join(str(card.index) for card in cards[:_NAMED])
    more = f" and {len(cards) - _NAMED} more are" if len(cards) > _NAMED else (" is" if len(cards) == 1 else " are")
    whose = f"{plain(waiter.user, _NAME_LIMIT)}'s job {plain(waiter.name, _NAME_LIMIT)}"
    text = f"Needs {asked(need)}; GPU{'s' * (len(cards) > 1)} {told}{more} kept for {whose}, which has waited since"
    return Reason(WAITING_FOR_GPUS, f"{text} {clock(waiter.since)}.")


def clock(at: float) -> str:
    """Return a time of the last days as people say it: of today without its date."""
    then, today = time.localtime(at), time.localtime()
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%d %b %H:%M", then)


def turn(need: Need, free: int) -> Reason:
    return Reason(WAITING_FOR_GPUS, f"Needs {asked(need)}, {free} free.")


def out_of_reach(need: Need, free: int, cards: Sequence[GpuCard]) -> Reason:
    """Say which cards nobody can give out, where a job can't do without them."""
    text = f"Needs {asked(need)}, {free} free; not in the queue's hands: {_all_away(cards)}."
    return Reason(WAITING_FOR_GPUS, text)


def _all_away(cards: Sequence[GpuCard]) -> str:
    told = ", ".join(map(_away, cards[:_NAMED]))
    return told + (f" and {len(cards) - _NAMED} more" if len(cards) > _NAMED else "")


def _away(card: GpuCard) -> str:
    holder = next((one for one in card.holders if one.external), None)
    if holder is None:
        return f"GPU {card.index} ({plain(card.text, _TEXT_LIMIT) or card.state.value})"
    whose = f" of {plain(holder.user, _NAME_LIMIT)}" if holder.user else ""
    return f"GPU {card.index} ({plain(holder.label, _NAME_LIMIT)}{whose})"


@lru_cache(maxsize=8)
def no_slot(most: int) -> Reason:
    """Say how many jobs without GPUs may run at once, and what decides that; the same object each time."""
    text = f"Waits until another job without GPUs has ended; {most} of them run at once."
    hint = Hint("mlops-desk settings set queue.jobs_without_gpus NUMBER", before="More at once: ", after=" (0: as many "
                "as the machine has processor cores).")  # fmt: skip
    return Reason(WAITING_FOR_SLOT, text, hint=hint)


def quota(most: int, held: int) -> Reason:
    return Reason(WAITING_FOR_QUOTA, f"You hold {held} of the {gpus_word(most)} that one person may hold at once.")


def over_quota(need: Need, most: int) -> Reason:
    text = f"Asks for {gpus_word(need.gpus)}; one person may hold {most} at once."
    hint = Hint("mlops-desk settings set queue.gpus_per_user 0", after=" lifts the limit.")
    return Reason(WAITING_FOR_QUOTA, text, hint=hint)


def until_jobs(wish: Wish) -> Reason:
    told = ", ".join(wish.after[:_NAMED])
    more = f" and {len(wish.after) - _NAMED} more" if len(wish.after) > _NAMED else ""
    return Reason(WAITING_FOR_JOBS, f"Waits for the end of {told}{more}.")

"""How all that a job needs stands here, looked at before it is queued: image, GPUs, data, secrets, driver, code.

Nothing is changed, and nothing is promised: a GPU may be taken and a folder written to a moment later.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import CardState, GpuCard
from mlops_desk.jobs.ports import GpuHardware
from mlops_desk.jobs.provenance.data_identity import data_identities
from mlops_desk.jobs.provenance.image_plan import ImagePlan
from mlops_desk.jobs.provenance.provenance_drift import data_drift
from mlops_desk.jobs.queue.placement import fits
from mlops_desk.jobs.records.drift_words import sentence
from mlops_desk.jobs.records.provenance import Capsule, CapsuleDrift, DataIdentity, Requirement, Standing
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.runtime import Runtime
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain

_DATA_SECONDS = 25.0  # chosen: a person waits for it; what takes longer is told as not known
_GONE = frozenset({CardState.FAULTED})
"""States in which a GPU is none that a job could have one day."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A job before it is queued: for whom, where, and what the first one was made of."""

    spec: JobSpec
    uid: int
    runtime: Runtime
    first: Capsule
    plan: ImagePlan


class Requirements:
    """``hardware`` tells of the machine; None where nobody does. ``has_code`` whether a snapshot is kept here."""

    def __init__(self, hardware: GpuHardware | None, has_code: Callable[[str], bool]) -> None:
        self._hardware = hardware
        self._has_code = has_code

    def of(self, asked: Asked) -> tuple[Requirement, ...]:
        """Return how everything stands, what is wrong in any other way last."""
        found = (
            asked.plan.requirement,
            *_gpus(asked),
            *self._driver(asked),
            *self._code(asked),
            *_data(asked),
            *_secrets(asked),
        )
        return (*found, *_otherwise(asked, found))

    def _driver(self, asked: Asked) -> Iterator[Requirement]:
        if self._hardware is None or asked.spec.resources.gpus == 0:
            return
        now, first = self._hardware(()).driver, asked.first.driver
        if now is None or first is None:
            yield Requirement("driver", "", Standing.UNKNOWN, "Whether the driver is the same is not known.")
        elif now == first:
            yield Requirement("driver", "", Standing.SAME, f"The driver is the same, {plain(now)}.")
        else:
            drift = CapsuleDrift("driver", "", first, now)
            yield Requirement("driver", "", Standing.DIFFERS, _told(drift), None, drift)

    def _code(self, asked: Asked) -> Iterator[Requirement]:
        sha256 = asked.first.source_sha256
        if asked.spec.source is None:
            return
        if sha256 is None:
            text = "The code is read anew from where the job file says; which it was is not known."
            yield Requirement("code", "", Standing.UNKNOWN, text)
        elif self._has_code(sha256):
            yield Requirement("code", "", Standing.SAME, "The code is the snapshot of the first one.")
        else:
            text = "The snapshot of the code is not kept any more."
            yield Requirement("code", "", Standing.MISSING, text, "Submit a job file with the source as it is now.")


def _told(drift: CapsuleDrift) -> str:
    text = sentence(drift)
    return f"{text[0].upper()}{text[1:]}."


def _gpus(asked: Asked) -> Iterator[Requirement]:
    wanted = asked.spec.resources
    if wanted.gpus == 0:
        return
    name = f"{wanted.gpus} GPU{'' if wanted.gpus == 1 else 's'}"
    try:
        cards = asked.runtime.cards()
    except DeskError as error:
        yield Requirement("gpus", name, Standing.UNKNOWN, f"Which GPUs there are is not known: {error.message}")
        return
    if cards is None:
        yield Requirement("gpus", name, Standing.UNKNOWN, "The runtime chooses GPUs itself.")
        return
    missing = sorted(set(wanted.gpu_uuids) - {card.uuid for card in cards})
    fitting = [card for card in cards if _fits(card, asked.spec)]
    if missing:
        text = f"There is no GPU {', '.join(map(plain, missing))} here."
        hint = "Let it have any with --set resources.gpu_uuids=[]."
        yield Requirement("gpus", name, Standing.MISSING, text, hint)
    elif len(fitting) < wanted.gpus:
        text = f"{name} {'is' if wanted.gpus == 1 else 'are'} asked for, and {len(fitting)} here fit."
        yield Requirement(
            "gpus", name, Standing.MISSING, text, "Ask for fewer or other ones with --set resources.gpus=N."
        )
    else:
        yield _models(asked, name, {card.name for card in fitting})


def _fits(card: GpuCard, spec: JobSpec) -> bool:
    """Tell whether the queue could ever give a card to the job."""
    asked = spec.resources
    need = Need(
        asked.gpus, asked.gpu_memory_bytes, asked.gpu_model, asked.gpu_uuids, asked.exclusive, asked.share_bytes
    )
    return card.state not in _GONE and fits(need, card)


def _models(asked: Asked, name: str, here: set[str]) -> Requirement:
    before = set(asked.first.gpu_models)
    if not before:
        return Requirement("gpus", name, Standing.UNKNOWN, "There are enough; which the first one had is not known.")
    if before & here:
        return Requirement("gpus", name, Standing.SAME, f"There are enough of {', '.join(map(plain, sorted(before)))}.")
    drift = CapsuleDrift("gpus", "", ", ".join(sorted(before)), ", ".join(sorted(here)))
    return Requirement("gpus", name, Standing.DIFFERS, _told(drift), None, drift)


def _data(asked: Asked) -> Iterator[Requirement]:
    before = {one.target: one for one in asked.first.data}
    for now in data_identities(asked.spec, asked.uid, _DATA_SECONDS):
        yield _data_requirement(asked, before.get(now.target), now)


def _data_requirement(asked: Asked, before: DataIdentity | None, now: DataIdentity) -> Requirement:
    hint = f"Take it from elsewhere with --data {plain(now.target)}=/PATH."
    where = f"{plain(now.source)} for {plain(now.target)}"
    if now.sha256 is None:
        text = f"{where} can't be read, or not in {_DATA_SECONDS:.0f} s."
        try:
            _accepted(asked, mounts=tuple(one for one in asked.spec.mounts if one.target == now.target))
        except DeskError as error:
            return Requirement("data", now.target, Standing.MISSING, error.message, hint)
        return Requirement("data", now.target, Standing.UNKNOWN, text, hint)
    drift = None if before is None else data_drift(before, now, now.target)
    if before is None or (drift is not None and not drift.known):
        return Requirement("data", now.target, Standing.UNKNOWN, f"{where} is there; what it was is not known.", None)
    if drift is None:
        sampled = ", by samples" if now.sampled else ""
        return Requirement("data", now.target, Standing.SAME, f"{where} holds the same {now.files:,} files{sampled}.")
    return Requirement("data", now.target, Standing.DIFFERS, _told(drift), hint, drift)


def _secrets(asked: Asked) -> Iterator[Requirement]:
    for name in asked.spec.secrets:
        try:
            _accepted(asked, secrets=(name,))
        except DeskError as error:
            yield Requirement("secret", name, Standing.MISSING, error.message, error.hint)
        else:
            yield Requirement("secret", name, Standing.SAME, f"You keep a secret of the name {plain(name)} here.")


def _accepted(asked: Asked, **fields: object) -> None:
    """Let the runtime judge one thing alone. Raises DeskError."""
    alone = JobSpec(asked.spec.name, asked.spec.image, kind=asked.spec.kind)
    asked.runtime.accept(replace(alone, **fields), asked.uid)  # type: ignore[arg-type]  # names of its fields


def _otherwise(asked: Asked, found: Iterable[Requirement]) -> Iterator[Requirement]:
    """Say what the runtime would refuse it for, where nothing that is missing tells that already."""
    if any(one.standing is Standing.MISSING and one.what in {"data", "secret"} for one in found):
        return
    try:
        asked.runtime.accept(asked.spec, asked.uid)
    except DeskError as error:
        yield Requirement("job", asked.spec.name, Standing.MISSING, error.message, error.hint)

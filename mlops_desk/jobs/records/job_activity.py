"""What is seen of a job while it runs: how far it says it is, what it takes now, and that it is stuck.

Nothing of this is stored. None: not known, never 0.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job says it is, read from its log. ``ratio`` is from 0 to 1, ``seen_at`` in Unix seconds.

    ``text`` is a few plain words (``epoch 3/10``), ``left_seconds`` what remains by our reckoning, or by the program's
    own. ``step`` of ``total`` counts ``unit`` (``step``, ``epoch``, ``it`` …) in the innermost of its loops that tells
    them, ``rate`` is how many of them it does in a second; ``epoch`` of ``epochs`` may have a fraction. ``loss`` is the
    last one that was a number; ``loss_broken`` is ``nan``, ``inf`` or ``-inf`` while the last one was none. ``source``
    is who wrote it so: ``tqdm``, ``lightning``, ``transformers``, ``keras``, ``boosting``, ``fastai`` or ``text``.
    """

    text: str
    seen_at: float
    ratio: float | None = None
    left_seconds: float | None = None
    step: float | None = None
    total: float | None = None
    unit: str | None = None
    epoch: float | None = None
    epochs: float | None = None
    rate: float | None = None
    loss: float | None = None
    loss_broken: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class LiveUse:
    """What all processes of a job take together at ``at`` (Unix seconds); ``cpus`` is in cores, over the last seconds.

    ``memory_bytes`` leaves out what the kernel may take back at once (unused file cache); ``memory_peak_bytes`` is the
    kernel's own count of the most so far, with it.
    """

    at: float
    cpus: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    processes: int | None = None
    memory_peak_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class StuckSign:
    """One thing that speaks for it; ``kind`` is one of the words below, ``since`` when it began.

    ``silent``: it writes nothing; ``progress``: it stands; ``loss``: no number any more; ``gpu_flat``: its GPUs are at
    rest; ``gpu_spin``: they are said to be busy, and draw little; ``cpu_flat``: its processes are at rest.
    ``value`` is what is measured now, ``usual`` what it is held against, both in ``unit``; ``quote`` is a line of the
    log, or a metric's name and value. ``text`` says it in a sentence.
    """

    kind: str
    since: float
    text: str
    value: float | None = None
    usual: float | None = None
    unit: str | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Stuck:
    """That a job which runs does not get on, or computes nothing that is of use. Nobody ends it for that.

    ``since`` is when it stopped to, ``seen_at`` when that was found (Unix seconds).
    """

    since: float
    seen_at: float
    text: str
    hint: str
    signs: tuple[StuckSign, ...] = ()


@dataclass(frozen=True, slots=True)
class JobWatch:
    """What is watched of a running job: that it is stuck, and for how many minutes it has held GPUs without use.

    ``stuck_known``: it was watched for long enough to say that it is not.
    """

    id: str
    name: str
    user: str
    container: str
    stuck: Stuck | None = None
    stuck_known: bool = True
    idle_minutes: int | None = None

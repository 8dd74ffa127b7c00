"""The card of one model version: what the desk knows of it, what people say of it, and who has agreed to that."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

CARD_TEXTS: Mapping[str, str] = {
    "intended_use": "What it is meant for, and by whom it is used",
    "out_of_scope": "What it must not be used for",
    "limits": "Where it is known to be wrong, and for which groups",
    "risks": "Who could be harmed, and what is done about it",
    "licence": "Under which terms model and data may be used",
    "owner": "Who answers for it",
    "notes": "What else a reader should know",
}
"""What people write, by name, each with what belongs there; in the order of the page."""
NEEDED_TEXTS = ("intended_use", "limits", "licence", "owner")
"""Without these a card is not handed in: who approves it would approve an empty page."""


class CardStage(StrEnum):
    """Where a card stands. An approved or archived card that is edited is a new revision, and a draft again."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    ARCHIVED = "archived"


class CardAct(StrEnum):
    """What was done with a card."""

    MADE = "made"
    EDITED = "edited"
    REFRESHED = "refreshed"
    SUBMITTED = "submitted"
    SENT_BACK = "sent_back"
    APPROVED = "approved"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class CardText:
    """One of ``CARD_TEXTS``. ``by_desk``: the desk filled it in, and fills it in again; else ``by`` wrote it at ``at``.

    ``text`` None: nobody has said anything yet.
    """

    name: str
    text: str | None = None
    by_desk: bool = True
    by: str | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class CardData:
    """A data set that the run was given: ``role`` is its context (training, test, …), ``digest`` its hash."""

    name: str
    digest: str
    role: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class CardFigure:
    """A figure of the model. ``low`` and ``high`` are its 95 % interval, None where nobody has reckoned one.

    ``rows`` and ``data`` say what it was scored on by the desk; both None: the run has logged it about itself.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class CardMonitor:
    """A monitor of drift that watches the version; ``verdict`` is that of its newest window, None: none yet."""

    name: str
    endpoint: str | None = None
    verdict: str | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class CardEnvironment:
    """What it was trained in, and what its files ask for; None and empty: not told."""

    image: str | None = None
    image_digest: str | None = None
    commit: str | None = None
    flavors: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardGap:
    """Something that the desk asked for and was not told, with the reason."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the desk knows by lineage, as of ``at`` (Unix seconds; None: nobody has asked yet)."""

    at: float | None = None
    run_id: str | None = None
    job_id: str | None = None
    created_at: float | None = None
    owner: str | None = None
    data: tuple[CardData, ...] = ()
    figures: tuple[CardFigure, ...] = ()
    monitors: tuple[CardMonitor, ...] = ()
    environment: CardEnvironment = CardEnvironment()
    gaps: tuple[CardGap, ...] = ()


@dataclass(frozen=True, slots=True)
class CardStep:
    """One thing that was done with a card: when, by whom, from which stage to which, why, and what it said then."""

    act: CardAct
    at: float
    by: str
    stage: CardStage
    revision: int
    why: str = ""
    sha256: str = ""
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class CardOfVersion:
    """A card. ``revision`` 0: nobody has written one yet, and this is what it would begin with.

    ``sha256`` is of what it says: texts and facts, not its stage. ``needed`` are the texts that it lacks to be handed
    in. ``registry`` is the tracking URI of the version's registry, None: the desk's own. ``is_foreign``: another desk
    has left it with the version, and it is data only: its stage counts for nothing here. ``published_sha256`` is what
    the registry has of it, ``trouble`` why it has not this revision yet.
    """

    model: str
    version: str
    stage: CardStage = CardStage.DRAFT
    revision: int = 0
    texts: tuple[CardText, ...] = ()
    facts: CardFacts = CardFacts()
    steps: tuple[CardStep, ...] = ()
    sha256: str = ""
    needed: tuple[str, ...] = ()
    registry: str | None = None
    is_foreign: bool = False
    published: str | None = None
    trouble: str | None = None
    updated_at: float | None = None

    @property
    def is_published(self) -> bool:
        """Whether the registry has the card as it is."""
        return self.published == self.state_sha256

    @property
    def state_sha256(self) -> str:
        """What tells one state of a card from another: what it says, its stage and its steps."""
        return f"{self.revision}:{self.stage}:{len(self.steps)}:{self.sha256}"

    def text(self, name: str) -> str | None:
        """Return what is said under a name."""
        return next((one.text for one in self.texts if one.name == name), None)


@dataclass(frozen=True, slots=True)
class CardBrief:
    """What a list shows of a card."""

    model: str
    version: str
    stage: CardStage
    revision: int
    registry: str | None = None
    needed: tuple[str, ...] = ()
    is_published: bool = False
    trouble: str | None = None
    updated_at: float | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class CardExport:
    """A card as a file: ``name`` is what it may be called, ``form`` is markdown, html or pdf."""

    name: str
    form: str
    data: bytes
    model: str
    version: str
    revision: int
    stage: CardStage


@dataclass(frozen=True, slots=True)
class KeptRegistryCard:
    """A card as the desk keeps it: ``key`` names registry, model and version. ``is_owed``: the registry lacks it.

    ``over``: a person has said that another desk's card in its place may go. ``seen`` is the state of that desk's card
    from which this one was begun.
    """

    key: str
    card: CardOfVersion
    is_owed: bool = True
    over: bool = False
    seen: str | None = None

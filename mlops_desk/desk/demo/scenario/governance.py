"""What the demonstration's team has agreed upon: cards, policies, data of the catalogue, and a move that waits.

All of it through the verbs that people use, so that it is checked, announced and written down as theirs is.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from mlops_desk.automation.verbs.approvals import Approvals
from mlops_desk.desk.demo import data, seed_records
from mlops_desk.governance.policies.decision import MoveAsked, identity_of
from mlops_desk.governance.policy_gate import Governing
from mlops_desk.governance.records.data.catalogue import SetState
from mlops_desk.governance.records.policy import OWN_REGISTRY, WordKind
from mlops_desk.governance.verbs.cards import Cards
from mlops_desk.governance.verbs.data import DataCatalogue
from mlops_desk.kit.base.errors import DeskError

_log = logging.getLogger(__name__)
_OTHER, _OTHER_UID = "amara", 1001  # a colleague, numbered as Debian numbers people
_LOOK_SECONDS = 30.0  # chosen: a file of some kilobytes, on a machine whose cores are all taken
_ROWS = 400  # chosen: a survey
_KEPT_DAYS = 14.0  # chosen: what people agree on for requests with data of persons
_OLD_DAYS = (31, 24, 18, 15, 9, 2)  # chosen: some are older than that, some are not
_CHAMPION = {
    "intended_use": "Ranks private customers by how likely they leave within 90 days, for the retention team's calls.",
    "out_of_scope": "Prices, credit and contracts: nobody is refused anything by it.",
    "limits": "Business customers and accounts younger than two months are not in the data; it ranks them by chance.",
    "risks": "Who is ranked high is called more often. Calls are capped at one a month.",
    "licence": "Internal use. Data: contract with customers, article 6 (1) b GDPR.",
    "owner": "amara, CRM team",
}
_DRAFT = {
    "intended_use": "Drafts of answers that a person reads, corrects and sends.",
    "notes": "Tuned with LoRA on two years of closed tickets.",
}


@dataclass(frozen=True, slots=True)
class Governed:
    """The verbs. ``folder`` is where the data lie, ``endpoints`` where endpoints keep their logs."""

    cards: Cards
    governing: Governing
    data: DataCatalogue
    approvals: Approvals
    folder: Path
    endpoints: Path
    ending: Event


def fill(house: Governed, champion: str | None) -> None:
    """Agree upon all of it; ``champion`` is the churn model's version by now. What fails is told, the rest is done."""
    if champion is not None:
        _try("cards", lambda: _approve_card(house.cards, f"churn/{champion}"))
    _try(
        "a draft", lambda: house.cards.edit("mistral-support/3", _DRAFT, why="First words; limits are being measured.")
    )
    _try("policies", lambda: _govern(house))
    _try("the catalogue", lambda: _catalogue(house))
    _try("a file that changes", lambda: _changed(house))


def _try(what: str, do: Callable[[], object]) -> None:
    try:
        do()
    except (DeskError, OSError) as error:
        _log.warning("The demo lacks %s: %s", what, error)


def _approve_card(cards: Cards, version: str) -> None:
    cards.refresh(version)
    cards.edit(version, _CHAMPION, why="As agreed with the CRM team.")
    cards.submit(version, why="Figures of the newest requests are in.")
    cards.approve(version, why="Reviewed with the works council.")


def _govern(house: Governed) -> None:
    """Let the champion of the line want two people, of whom one has agreed that it go back a version."""
    policies = house.governing.policies
    policies.set("churn", people=1, free_rollback=True)
    policies.set("resnet50", people=2)
    why = "Since 6 went live, line 2 sends twice as many good parts to rework."
    asked = house.approvals.ask("resnet50/5", why=why)
    wanted = MoveAsked(OWN_REGISTRY, "resnet50", "champion", "5")
    seen = house.governing.evidences.of(wanted).sha256
    house.governing.ledger.say(
        wanted, seen, WordKind.PERSON, identity_of(_OTHER_UID), _OTHER, subject=asked.id
    )  # fmt: skip


def _catalogue(house: Governed) -> None:
    """Say of some sets what nobody but people knows, and leave logs that are older than they are to be kept."""
    said: Mapping[str, dict[str, object]] = {
        "accounts-train": {
            "data_owner": "amara, CRM team", "licence": "internal", "personal": "yes",
            "notes": "Accounts without names and addresses; the number leads to a person.",
        },
        "line-images-train": {"data_owner": "jonas, line 2", "licence": "CC BY 4.0", "personal": "no"},
        "churn-prod/requests": {"data_owner": "amara, CRM team", "retention_days": _KEPT_DAYS, "personal": "yes"},
        "churn-eu/requests": {"data_owner": "amara, CRM team", "retention_days": _KEPT_DAYS, "personal": "yes"},
    }  # fmt: skip
    for name in ("churn-prod", "churn-eu"):
        _old_logs(house.endpoints / name / "requests", time.time())
    for name, traits in said.items():
        house.data.update(name, **traits)  # type: ignore[arg-type]  # each is what its argument is


def _old_logs(folder: Path, now: float) -> None:
    """Leave parts of a log; what stands in them nobody reads, for the demo's requests are made up as they are asked."""
    if any(folder.glob("*/*/*.parquet")):
        return  # an earlier start has left them
    for days in _OLD_DAYS:
        at = now - days * seed_records.DAY
        hour = time.strftime("%Y-%m-%d/%H", time.gmtime(at))
        part = folder / hour / f"requests-{int(at * 1000):013d}.parquet"
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_bytes(os.urandom(1000) * (900 + 40 * days))


def _changed(house: Governed) -> None:
    """Register a file, then let it grow and look at it again."""
    path = house.folder / "survey.csv"
    house.folder.mkdir(parents=True, exist_ok=True)
    random = data.generator(1)
    rows = [f"{number},{random.integers(1, 6)},{random.integers(0, 2)}" for number in range(2 * _ROWS)]
    for count in (_ROWS, 2 * _ROWS):
        path.write_text("\n".join(["customer,satisfied,answered", *rows[:count]]) + "\n", encoding="utf-8")
        if count == _ROWS:
            house.data.register(
                "customer-survey", path=str(path), data_owner="maria", licence="internal", personal="yes",
                retention_days=365.0,
            )  # fmt: skip
        else:
            house.data.check("customer-survey")
        _until_looked(house)


def _until_looked(house: Governed) -> None:
    deadline = time.monotonic() + _LOOK_SECONDS
    while house.data.show("customer-survey").brief.state is SetState.LOOKING and time.monotonic() < deadline:
        if house.ending.wait(0.2):
            return

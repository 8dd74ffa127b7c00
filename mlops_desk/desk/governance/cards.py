"""Cards as they stand in the house: told by lineage, kept in the state, written to registries and as files."""

import base64
import time
from collections.abc import Callable

from mlops_desk.base.bus import Bus
from mlops_desk.base.loop import Loop
from mlops_desk.base.process import run_worker
from mlops_desk.desk.governance.card_facts import CardHouse, HouseFacts
from mlops_desk.desk.governance.registries import GovernedRegistries
from mlops_desk.governance.cards.page.writing import write
from mlops_desk.governance.cards.service import CardsService
from mlops_desk.records.event import GovernanceChanged
from mlops_desk.records.governance.card import CardOfVersion

_PAPER = "mlops_desk.ui.paper"
_PAPER_SECONDS = 60.0  # chosen: the library is read from a slow disk, and a card has some pages


def cards_service(
    house: CardHouse, registries: GovernedRegistries, instance: str, bus: Bus, loop: Loop
) -> CardsService:
    """Return what keeps cards. ``instance`` names this desk among those that use one registry."""

    def announce(card: CardOfVersion) -> None:
        bus.publish(GovernanceChanged(("card", f"{card.model}/{card.version}")))

    paper = _paper(loop)
    return CardsService(
        registries, HouseFacts(house, time.time), house.state.cards, instance, time.time, announce,
        lambda card, form: write(card, form, paper),
    )  # fmt: skip


def _paper(loop: Loop) -> Callable[[str, str], bytes]:
    def make(title: str, page: str) -> bytes:
        made = run_worker(_PAPER, {"title": title, "html": page}, _PAPER_SECONDS, ending=loop.ending)
        return base64.b64decode(made["pdf"])

    return make

"""Two views of one GPU: its health (errors, slices, what it reported), and its links with the machine's topology."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.gpus.window import facts, tables
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.facts import FactGrid
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.status import Status

INCIDENTS_SHOWN = 50  # chosen: what one reads of one GPU; the events page has all


class HealthPanel(QWidget):
    """Facts above, what was reported and MIG instances below."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.health, self.links, self.device = FactGrid(), FactGrid(), FactGrid()
        self.incidents = RecordTable("Events of the GPU", tables.INCIDENTS, context.memory)
        self._no_incident = Label("Nothing was reported of this GPU.", tone="muted", wrap=True)
        self.mig = RecordTable("MIG instances", tables.MIG, context.memory)
        self._mig_card = Card("MIG instances")
        events = Card("Reported of this GPU")
        events.column.addWidget(self._no_incident)
        events.column.addWidget(self.incidents, 1)
        events.column.addStretch()
        self._mig_card.column.addWidget(self.mig, 1)
        above, below = QHBoxLayout(), QHBoxLayout()
        for row in (above, below):
            row.setSpacing(theme.SPACE_8)
        above.addWidget(_column("Errors", ("Memory errors", self.health)), 2)
        above.addWidget(_column("Links and device", ("PCIe and NVLink", self.links), ("Device", self.device)), 3)
        below.addWidget(events, 1)
        below.addWidget(self._mig_card, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addLayout(above, 3)
        whole.addLayout(below, 2)

    def show_gpu(self, gpu: Gpu, until: float | None = None) -> None:
        """Show a GPU, with what was reported of it ``until`` a time; None for all of it."""
        self.health.show_facts(facts.health(gpu))
        self.links.show_facts(facts.links(gpu))
        self.device.show_facts(facts.device(gpu))
        self._mig_card.setVisible(bool(gpu.mig))
        self.mig.show_records({part.fingerprint: part for part in gpu.mig})
        known = self._context.store.incidents.value or {}
        mine = sorted(
            (one for one in known.values() if one.device == gpu.uuid and (until is None or one.at <= until)),
            key=lambda one: -one.at,
        )
        self.incidents.show_records({event.id: event for event in mine[:INCIDENTS_SHOWN]})
        self.incidents.setVisible(bool(mine))
        self._no_incident.setVisible(not mine)


def _column(name: str, *shown: tuple[str, FactGrid]) -> QWidget:
    """Return cards of facts above one another, which scroll where they must."""
    inner = QWidget()
    column = QVBoxLayout(inner)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(theme.SPACE_8)
    for title, facts_shown in shown:
        card = Card(title)
        card.column.addWidget(facts_shown)
        column.addWidget(card)
    column.addStretch()
    return scrolled(inner, name)


class LinksPanel(QWidget):
    """The links of one GPU above, how all GPUs reach one another below."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._machine: tuple[str, ...] = ()
        self._links_card, self._topology_card = Card("NVLink"), Card("How the GPUs reach one another")
        self._no_link = Label(_NO_LINK, tone="muted", wrap=True)
        self._links_card.column.addWidget(self._no_link)
        self.links: RecordTable[object] | None = None
        self.topology: RecordTable[object] | None = None
        legend = Label(
            "NV18: 18 NVLinks.  PIX: one PCIe switch.  PXB: several.  PHB: host bridge.  NODE: one NUMA node.  "
            "SYS: between processors.",
            points=theme.CAPTION_POINTS, tone="muted", wrap=True,
        )  # fmt: skip
        self._topology_card.column.addWidget(legend)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self._links_card, 1)
        column.addWidget(self._topology_card, 1)
        self._column = column

    def show_gpu(self, status: Status, gpu: Gpu, *, then: bool = False) -> None:
        """Show the links of a GPU; ``then``: of a time of the past, of which single links are not known."""
        self._fit(status.gpus)
        if self.links is None or self.topology is None:
            return
        self._no_link.show_text(_LINKS_THEN if then else _NO_LINK)
        self.links.show_records({str(link.number): link for link in gpu.links})
        self.links.setVisible(bool(gpu.links))
        self._no_link.setVisible(not gpu.links)
        self._column.setStretch(0, 1 if gpu.links else 0)
        self.topology.show_records({other.uuid: other for other in status.gpus})

    def _fit(self, gpus: tuple[Gpu, ...]) -> None:
        """Make the tables anew when other GPUs are in the machine: they have a column for each."""
        machine = tuple(gpu.uuid for gpu in gpus)
        if machine == self._machine and self.links is not None:
            return
        self._machine = machine
        for table in (self.links, self.topology):
            if table is not None:
                table.hide()
                table.deleteLater()
        self.links = RecordTable("NVLink", tables.links(gpus), self._context.memory)  # type: ignore[arg-type]  # its columns are of no one type
        self.topology = RecordTable("Topology", tables.topology(gpus), self._context.memory)  # type: ignore[arg-type]  # likewise
        self.topology.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self._links_card.column.addWidget(self.links, 1)
        self._topology_card.column.insertWidget(1, self.topology, 1)


_NO_LINK = "This GPU has no NVLink, or the driver does not tell of it."
_LINKS_THEN = "What all its links carried together is among the curves. How each of them was is not kept."

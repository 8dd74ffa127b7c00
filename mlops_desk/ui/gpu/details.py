"""Two views of one GPU: its health (errors, slices, what it reported), and its links with the machine's topology."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.records.status import Gpu, Status
from mlops_desk.ui import theme
from mlops_desk.ui.context import Context
from mlops_desk.ui.gpu import facts, tables
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.text import Label
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.facts import Facts
from mlops_desk.ui.widgets.scroll import scrolled

INCIDENTS_SHOWN = 50
LINKS_TALL = 10


class Health(QWidget):
    """Facts at the left, events and MIG instances at the right."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.health, self.links, self.device = Facts(), Facts(), Facts()
        self.incidents = RecordTable("Events of the GPU", tables.INCIDENTS, context.memory)
        self._no_incident = Label("Nothing was reported of this GPU.", tone="muted", wrap=True)
        self.mig = RecordTable("MIG instances", tables.MIG, context.memory)
        self._mig_card = Card("MIG instances")
        inner = QWidget()
        left = QVBoxLayout(inner)
        left.setContentsMargins(0, 0, theme.SPACE_4, 0)
        left.setSpacing(theme.SPACE_8)
        for title, shown in (("Memory errors", self.health), ("PCIe and NVLink", self.links), ("Device", self.device)):
            card = Card(title)
            card.column.addWidget(shown)
            left.addWidget(card)
        left.addStretch()
        events = Card("Reported by the driver")
        events.column.addWidget(self._no_incident)
        events.column.addWidget(self.incidents, 1)
        self._mig_card.column.addWidget(self.mig, 1)
        right = QVBoxLayout()
        right.setSpacing(theme.SPACE_8)
        right.addWidget(events, 1)
        right.addWidget(self._mig_card, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(scrolled(inner, "Health and facts of the GPU"), 1)
        row.addLayout(right, 1)

    def show_gpu(self, gpu: Gpu) -> None:
        self.health.show_facts(facts.health(gpu))
        self.links.show_facts(facts.links(gpu))
        self.device.show_facts(facts.device(gpu))
        self._mig_card.setVisible(bool(gpu.mig))
        self.mig.show_records({part.fingerprint: part for part in gpu.mig})
        known = self._context.store.incidents.value or {}
        mine = sorted((event for event in known.values() if event.device == gpu.uuid), key=lambda event: -event.at)
        self.incidents.show_records({event.id: event for event in mine[:INCIDENTS_SHOWN]})
        self.incidents.setVisible(bool(mine))
        self._no_incident.setVisible(not mine)


class Links(QWidget):
    """The links of one GPU above, how all GPUs reach one another below."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._machine: tuple[str, ...] = ()
        self._links_card, self._topology_card = Card("NVLink"), Card("How the GPUs reach one another")
        self._no_link = Label("This GPU has no NVLink, or the driver does not tell of it.", tone="muted", wrap=True)
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

    def show_gpu(self, status: Status, gpu: Gpu) -> None:
        self._fit(status.gpus)
        if self.links is None or self.topology is None:
            return
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
        self.links = RecordTable("NVLink", tables.links(gpus), self._context.memory)  # type: ignore[arg-type]
        self.topology = RecordTable("Topology", tables.topology(gpus), self._context.memory)  # type: ignore[arg-type]
        self.topology.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self._links_card.column.addWidget(self.links, 1)
        self._topology_card.column.insertWidget(1, self.topology, 1)

"""Models: registered models | versions of the chosen one | the chosen version, its run and its data."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.model import DatasetInput, Model, ModelVersion, Registry, Run
from mlops_desk.ui.actions import Action
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.models.alias import AliasDialog
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.ui.widgets.field import Field, filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import marks, numbers
from mlops_desk.verbs.desk import ClientLike

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task


@dataclass(frozen=True, slots=True)
class RunView:
    """What was found about a version's run."""

    run: Run
    datasets: tuple[DatasetInput, ...]


class ModelsPage(Page):
    """Three columns, each the detail of the one before."""

    stale: ClassVar[str] = "These models are"
    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.MODELS, Topic.REGISTRY, Topic.CONNECTION})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.MODELS, Topic.REGISTRY)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.models = RecordTable("Models", _MODEL_COLUMNS, context.memory)
        self.models.chosen.connect(self._chose_model)
        self.versions = RecordTable("Versions", _VERSION_COLUMNS, context.memory)
        self.versions.sort_by_key("version", Qt.SortOrder.DescendingOrder)
        self.versions.chosen.connect(self._chose_version)
        self._filter = filter_field("Filter models")
        self._filter.textChanged.connect(self.models.narrow)
        self._uri = Field("Tracking server", "Tracking server: this desk's own, or http://…")
        self._uri.returnPressed.connect(self._change_uri)
        self._server = Label(points=theme.CAPTION_POINTS)
        self._start = Button("Start the tracking server")
        self._start.clicked.connect(self._start_server)
        self._facts, self._metrics, self._params, self._data = FactGrid(), FactGrid(), FactGrid(), FactGrid()
        self._says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._version_says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._alias = Button("Set alias …")
        self._alias.clicked.connect(self._set_alias)
        self._deploy = Button("Deploy …", main=True)
        self._deploy.clicked.connect(self._deploy_version)
        self._asking: dict[str, Task] = {}
        self._shown_model: Model | None = None
        self._wanted_version: tuple[str, str] | None = None
        self._arrange()

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_8)
        top.addWidget(self._filter, 1)
        top.addWidget(self._uri, 2)
        top.addWidget(self._server)
        top.addWidget(self._start)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        for title, parts in (("Models", (self.models,)), ("Versions", (self._version_says, self.versions))):
            card = Card(title)
            for part in parts:
                card.column.addWidget(part, 1 if isinstance(part, RecordTable) else 0)
            split.addWidget(card)
        split.addWidget(self._detail())
        # At 1280 pixels the columns of all versions are seen whole.
        split.setSizes(
            [theme.DETAIL_WIDTH - 2 * theme.SPACE_16, theme.DETAIL_WIDTH, theme.DETAIL_WIDTH - theme.SPACE_16]
        )
        split.setStretchFactor(2, 1)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(top)
        # The row with the server's field stays above whatever is shown: an empty registry must not hide the others.
        self.content = split
        self._layers = QStackedLayout()
        whole.addLayout(self._layers, 1)  # first, or what it holds is a window for a moment
        self._layers.addWidget(self.content)
        self._layers.addWidget(self._state)

    def _detail(self) -> QWidget:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self._facts)
        column.addWidget(self._says)
        self._headings: list[Label] = []
        for title, facts in (("Metrics", self._metrics), ("Parameters", self._params), ("Datasets", self._data)):
            heading = Label(title, points=theme.CAPTION_POINTS, bold=True, tone="muted")
            self._headings.append(heading)
            column.addWidget(heading)
            column.addWidget(facts)
        column.addStretch()
        card = Card("Version")
        card.column.addWidget(scrolled(inner, "Details of the version"), 1)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self._deploy)
        row.addWidget(self._alias)
        row.addStretch()
        card.column.addLayout(row)
        return card

    # What is shown.

    def refresh(self, topics: frozenset[Topic]) -> None:
        store = self.context.store
        self._show_server(store.registry.value)
        if Topic.MODELS in topics and Topic.REGISTRY in topics and not store.models.loading and store.models.value:
            self.context.load(Topic.MODELS)
            return
        if store.models_uri is not None and store.models.error is not None and not store.models.loading:
            self.show_content()
            self._server.show_text(f"{numbers.ALERT} {store.models.error.message}")
            self._server.tint("alert")
            self.models.show_records({})
            return
        if not self.show_part(store.models, "Models", self._empty):
            return
        self.models.show_records(store.models.value or {})
        if self.models.key() is None:
            self.models.select_first()
        chosen = self._model()
        if chosen != self._shown_model:
            self._load_versions()

    def _show_server(self, registry: Registry | None) -> None:
        default = registry.default_uri if registry else None
        own = self.context.store.models_uri is None and default is None
        self._uri.setPlaceholderText(plain(default) if default else "Tracking server: this desk's own, or http://…")
        state = registry.state if registry else "unknown"
        self._start.setVisible(own and state in {"stopped", "failed"})
        tone, shape = {"running": ("ok", numbers.OK), "failed": ("alert", numbers.ALERT)}.get(
            state, ("muted", numbers.IDLE)
        )
        self._server.show_text(f"{shape} own server {state}" if own else f"{numbers.INFO} other server")
        self._server.tint(tone if own else "info")

    def _empty(self) -> Empty:
        registry = self.context.store.registry.value
        own = self.context.store.models_uri is None and registry is not None and registry.default_uri is None
        if own and registry is not None and registry.state in {"stopped", "failed"}:
            text = "Models registered by training jobs will be here. The desk's own MLflow server keeps them."
            return Empty("The tracking server does not run", text, "Start the tracking server", self._start_server)
        text = (
            "Models will be here as soon as a run registers one: mlflow.sklearn.log_model(…, registered_model_name=…)"
        )
        return Empty("No models yet", text, "Look again", self.reload, "mlops-desk jobs submit SPEC.yaml")

    def _model(self) -> Model | None:
        key = self.models.key()
        return self.models.records.record(key) if key else None

    def _version(self) -> ModelVersion | None:
        key = self.versions.key()
        return self.versions.records.record(key) if key else None

    def show_thing(self, thing: str) -> bool:
        """Choose a model, or a version of it (``NAME/VERSION``)."""
        name, _, version = thing.partition("/")
        self._wanted_version = (name, version) if version else None
        found = self.show_in(self.models, name)
        if found and version and self.versions.holds(version):
            self.versions.select(version)
        return found

    def _chose_model(self, _key: str | None) -> None:
        self.versions.show_records({})
        self._load_versions()

    def _load_versions(self) -> None:
        model = self._shown_model = self._model()
        if model is None:
            self._show_version(None)
            return
        uri = self.context.store.models_uri
        self._version_says.show_text("Loading versions …")
        self._version_says.setVisible(self.versions.shown_rows() == 0)
        self._forget("versions")
        self._asking["versions"] = self.context.ask(
            "versions", lambda desk: desk.models.versions(model.name, uri=uri), self._got_versions, self._no_versions
        )

    def _got_versions(self, versions: list[ModelVersion]) -> None:
        self._version_says.setVisible(not versions)
        self._version_says.show_text("This model has no versions." if not versions else "")
        self.versions.show_records({version.version: version for version in versions})
        model, wanted = self._shown_model, self._wanted_version
        if model is not None and wanted is not None and wanted[0] == model.name and self.versions.holds(wanted[1]):
            self.versions.select(wanted[1])
            self._wanted_version = None
        if self.versions.key() is None:
            self.versions.select_first()
        self._show_version(self._version())

    def _no_versions(self, error: DeskError) -> None:
        self._version_says.setVisible(True)
        self._version_says.show_text(f"{error.message} {error.hint or ''}".strip())

    def _chose_version(self, _key: str | None) -> None:
        self._show_version(self._version())

    def _show_version(self, version: ModelVersion | None) -> None:
        for button in (self._alias, self._deploy):
            button.setEnabled(version is not None)
        self._deploy.setVisible(self.context.store.models_uri is None)
        if version is None:
            self._facts.show_facts([])
            self._show_run(None)
            return
        self._facts.show_facts(_version_facts(version))
        if version.run_id is None:
            self._show_run(None)
            self._say_run("It was registered without a run.")
            return
        run_id, uri = version.run_id, self.context.store.models_uri
        self._say_run("Loading its run …")
        self._forget("run")

        def found(desk: ClientLike) -> RunView:
            return RunView(desk.runs.show(run_id, uri=uri), tuple(desk.runs.datasets(run_id, uri=uri)))

        self._asking["run"] = self.context.ask("run", found, self._show_run, self._no_run)

    def _show_run(self, view: RunView | None) -> None:
        self._say_run("")
        metrics = (
            [] if view is None else [Fact(name, _metric(value)) for name, value in sorted(view.run.metrics.items())]
        )
        params = (
            [] if view is None else [Fact(name, value, fixed=True) for name, value in sorted(view.run.params.items())]
        )
        data = [] if view is None else [_dataset_fact(dataset) for dataset in view.datasets]
        for heading, facts, shown in zip(
            self._headings, (self._metrics, self._params, self._data), (metrics, params, data), strict=True
        ):
            facts.show_facts(shown)
            heading.setVisible(bool(shown))
            facts.setVisible(bool(shown))

    def _no_run(self, error: DeskError) -> None:
        self._show_run(None)
        self._say_run(f"{error.message} {error.hint or ''}".strip())

    def _say_run(self, text: str) -> None:
        self._says.show_text(text)
        self._says.setVisible(bool(text))

    def _forget(self, key: str) -> None:
        task = self._asking.pop(key, None)
        if task is not None:
            task.cancel()

    # Acts.

    def main_table(self) -> RecordTable[Model]:
        return self.models

    def filter_field(self) -> QLineEdit | None:
        return self._filter

    def actions_here(self) -> list[Action]:
        return [
            Action("models.alias", "Set an alias …", self._set_alias, when=lambda: self._version() is not None),
            Action(
                "models.deploy",
                "Deploy the chosen version …",
                self._deploy_version,
                when=lambda: self._version() is not None,
            ),
            Action("models.start", "Start the tracking server", self._start_server),
        ]

    def _change_uri(self) -> None:
        self.context.store.models_uri = self._uri.text().strip() or None
        self.context.store.models.value = None
        self._shown_model = None
        self.models.show_records({})
        self.versions.show_records({})
        self._show_version(None)
        self.context.load(Topic.MODELS)

    def _start_server(self) -> None:
        self._start.setEnabled(False)
        self.context.say("info", "The tracking server is being started; the first time takes some seconds.")

        def done(_registry: Registry) -> None:
            self._start.setEnabled(True)
            self.reload()

        def failed(error: DeskError) -> None:
            self._start.setEnabled(True)
            self.context.complain(error)

        self.context.ask("start tracking server", lambda desk: desk.models.start(), done, failed)

    def _set_alias(self) -> None:
        version = self._version()
        if version is not None:
            dialog = AliasDialog(self, self.context, version, self.context.store.models_uri)
            dialog.accepted.connect(self.reload)
            dialog.open()

    def _deploy_version(self) -> None:
        version = self._version()
        if version is not None:
            self.context.act("endpoints.deploy", self.context, f"{version.name}/{version.version}")


def _version_facts(version: ModelVersion) -> list[Fact]:
    mark = marks.VERSION_MARKS.get(version.status, numbers.Mark("unknown", numbers.UNKNOWN, version.status.lower()))
    return [
        Fact("Model", version.name),
        Fact("Version", version.version),
        Fact("State", mark.text, mark.token),
        Fact("Aliases", ", ".join(version.aliases) or "none"),
        moment_fact("Registered", version.created_at),
        Fact("Run", version.run_id or "none", fixed=True),
        Fact("Files", version.source or "unknown", fixed=True),
        *([Fact("About", version.description)] if version.description else []),
        *([Fact("Tags", "\n".join(f"{k} = {v}" for k, v in version.tags.items()))] if version.tags else []),
    ]


def _metric(value: float) -> str:
    return numbers.number(value, 6) if math.isfinite(value) else str(value).replace("nan", "NaN")


def _dataset_fact(dataset: DatasetInput) -> Fact:
    about = f"{dataset.context or 'no context'}, {dataset.source_type}, digest {dataset.digest}"
    return Fact(dataset.name, f"{about}\n{dataset.source}")


def _alias_cell(model: Model) -> Cell:
    return Cell(", ".join(f"{plain(alias)} → {plain(version)}" for alias, version in model.aliases.items()))


_MODEL_COLUMNS: tuple[Column[Model], ...] = (
    Column("name", "Model", lambda model: Cell(plain(model.name), tip=model.description or model.name)),
    Column("latest", "Latest", lambda model: Cell(model.latest_version or numbers.NOTHING), right=True),
    Column("aliases", "Aliases", _alias_cell, stretch=True),
)
_VERSION_COLUMNS: tuple[Column[ModelVersion], ...] = (
    Column("version", "Version", lambda v: Cell(v.version, int(v.version) if v.version.isdigit() else 0), right=True),
    Column(
        "aliases", "Aliases", lambda v: Cell(", ".join(plain(alias) for alias in v.aliases)), stretch=True, whole=True
    ),
    Column(
        "created",
        "Registered",
        lambda v: Cell(numbers.ago(v.created_at), v.created_at or 0.0, tip=numbers.absolute(v.created_at)),
        right=True,
    ),
)

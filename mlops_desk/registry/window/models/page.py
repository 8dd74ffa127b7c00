"""Models: all of them narrow at the left, versions in the middle, the chosen one at the right, one search above all."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QSplitter, QStackedLayout, QStackedWidget, QVBoxLayout

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.model import Registry
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound
from mlops_desk.registry.window.models import loads, words
from mlops_desk.registry.window.models.acts.acts import CHAMPION, VersionActs
from mlops_desk.registry.window.models.comparison import VersionComparison
from mlops_desk.registry.window.models.detail.pane import VersionPane
from mlops_desk.registry.window.models.list import ModelList, VersionSearch
from mlops_desk.registry.window.models.poll_timer import AskAgain
from mlops_desk.registry.window.models.registries import RegistryChoice, is_own
from mlops_desk.registry.window.models.versions.pane import VersionsPane

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

LIST_WIDTH, LIST_MINIMUM = 228, 160  # pixels: 220 for the cards, and the table's ring; a name with its version
_BESIDE = 2 * theme.DETAIL_WIDTH + theme.SPACE_24  # pixels: versions with a metric, and a version with its facts
VERSIONS_MOST = 5000  # chosen: of one model; it takes a table a tenth of a second
_SETTLE_MILLISECONDS = 400  # chosen: a training that logs changes the registry many times a second
_COMPARE = "compare:"
_PALETTE = frozenset({"palette"})


class ModelsPage(Page):
    """``models`` is the list, ``versions`` those of the chosen model or what was found, ``detail`` the chosen one."""

    stale: ClassVar[str] = "These models are"
    topics: ClassVar[frozenset[Topic]] = frozenset(
        {loads.CARDS, Topic.REGISTRY, Topic.REGISTRIES, Topic.CONNECTION, Topic.MONITORS}
    )
    loads: ClassVar[tuple[Topic, ...]] = (loads.CARDS, Topic.REGISTRY)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.search = VersionSearch(context)
        self.registries = RegistryChoice(context)
        self.models = ModelList(context.memory)
        self.versions = VersionsPane(context)
        self.acts = VersionActs(self, context, self._version)
        self.detail = VersionPane(context, self.acts, self._serving)
        self.comparison = VersionComparison(context)
        self._right = QStackedWidget()
        self._before: list[int] | None = None
        self._task: Task | None = None
        self._shown: str | None = None
        self._wanted: tuple[str, str] | None = None
        self._compares = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SETTLE_MILLISECONDS)
        self._soon.timeout.connect(self._look_again)
        self._again = AskAgain(self, self._load_versions)
        self._wire()
        self._arrange()

    def _wire(self) -> None:
        self.models.chosen.connect(self._chose_model)
        self.versions.chosen.connect(lambda _key: self._show_version())
        self.versions.ticks_changed.connect(self._compare)
        self.versions.table.fill_more = self._fill_menu
        self.search.found.connect(self._found)
        self.search.failed.connect(self._not_found)
        self.registries.changed.connect(self._change_registry)
        self.registries.start.connect(self._start_server)
        self.acts.changed.connect(self._soon.start)
        self.detail.compare.connect(self._compare_with_champion)
        self.detail.tabs.chosen.connect(lambda _tab: self._make_room())
        self.comparison.closed.connect(self.versions.clear_ticks)
        self.comparison.runs.connect(self._compare_runs)

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_8)
        top.addWidget(self.search, 1, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.registries, 0, Qt.AlignmentFlag.AlignTop)
        self._right.addWidget(self.detail)
        self._right.addWidget(self.comparison)
        self._right.setMinimumWidth(theme.DETAIL_WIDTH)
        beside = self._split = QSplitter(Qt.Orientation.Horizontal)
        beside.addWidget(self.versions)
        beside.addWidget(self._right)
        beside.setSizes([theme.DETAIL_WIDTH, theme.DETAIL_WIDTH + theme.SPACE_24 + theme.SPACE_8])
        beside.setStretchFactor(0, 1)
        beside.setStretchFactor(1, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(framed(self.models))
        split.addWidget(scrolled(beside, "Versions and the chosen one"))
        split.setSizes([LIST_WIDTH, 2 * theme.DETAIL_WIDTH])
        split.setStretchFactor(1, 1)
        self.models.setMinimumWidth(LIST_MINIMUM)
        for one in (split, beside):
            one.setHandleWidth(theme.SPACE_8)
            one.setChildrenCollapsible(False)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(top)
        # The row with the registries stays above whatever is shown: an empty one must not hide the others.
        self.content = split
        self._layers = QStackedLayout()
        whole.addLayout(self._layers, 1)  # first, or what it holds is a window for a moment
        self._layers.addWidget(self.content)
        self._layers.addWidget(self._state)

    # What is shown.

    def reload(self) -> None:
        super().reload()
        self.registries.look()
        self._load_shown()

    def refresh(self, topics: frozenset[Topic]) -> None:
        store = self.context.store
        if Topic.REGISTRIES in topics:
            self.registries.look()
        part = store.part(loads.CARDS)
        below = part.value is None and part.error is not None and not part.loading
        is_offered = part.value is not None and not part.value and not part.loading
        self.registries.show_server(store.registry.value, is_told_below=below, is_offered_below=is_offered)
        if loads.CARDS in topics and part.outdated and part.value is not None and not part.loading:
            self._soon.start()  # something changed there; what is many things in a row is asked for once
        if not self.show_part(part, "Models", self._empty):
            return
        cards = loads.cards(store)
        self.models.show_records(cards)
        self.versions.show_endpoints({name: card.endpoints for name, card in cards.items()})
        if self.models.key() is None and not self.search.is_on():
            self.models.select_first()
        if self._model() is not None and self._model() != self._shown:
            self._load_versions()
        else:
            self._show_version()

    def _look_again(self) -> None:
        """Ask anew for all that may have changed; a hidden page asks when it is seen again."""
        if not self.isVisible():
            self._asked = False
            return
        self.context.load(loads.CARDS)
        self._load_shown()

    def _load_shown(self) -> None:
        if self.search.is_on():
            self.search.ask()
        else:
            self._load_versions()

    def _empty(self) -> Empty:
        registry = self.context.store.registry.value
        own = is_own(self.context.store.models_uri, registry)
        if own and registry is not None and registry.state in {"stopped", "failed"}:
            text = "Models registered by training jobs will be here. The desk's own MLflow server keeps them."
            return Empty("The tracking server does not run", text, "Start the tracking server", self._start_server)
        text = (
            "Models will be here as soon as a run registers one: mlflow.sklearn.log_model(…, registered_model_name=…)"
        )
        return Empty("No models yet", text, "Look again", self.reload, "mlops-desk jobs submit SPEC.yaml")

    def _model(self) -> str | None:
        return self.models.key()

    def _card(self, name: str) -> ModelCard | None:
        return loads.cards(self.context.store).get(name)

    def _version(self) -> VersionHit | None:
        return self.versions.hit()

    def _serving(self, hit: VersionHit) -> Sequence[str]:
        card = self._card(hit.name)
        return () if card is None else words.serving(card.endpoints, hit.version)

    # Models and their versions.

    def _chose_model(self, key: str | None) -> None:
        if key is not None and self.search.is_on():
            self.search.field.clear()  # who chooses a model wants its versions
        elif key is not None and key != self._shown:
            self._load_versions()

    def _load_versions(self) -> None:
        """Ask for the versions of the chosen model; what was shown of another one goes at once."""
        name = self._model()
        if self.search.is_on() or name is None:
            return
        if name != self._shown:
            self.versions.show_hits(name, [], of_several=False)
            self.versions.say("Loading versions …")
            self.versions.title(f"Versions of {plain(name, 60)}")
            self._show_version()
        self._shown = name
        self._stop()
        uri, query = self.context.store.models_uri, query_of(name)
        self._task = self.context.ask(
            "versions",
            lambda desk: desk.models.find(query, uri=uri, limit=VERSIONS_MOST, wait=0.0),
            lambda found: self._got_versions(name, found),
            self._no_versions,
        )

    def _stop(self) -> None:
        self._again.timer.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _got_versions(self, name: str, found: VersionsFound) -> None:
        self._task = None
        self._again.told(found)
        hits = [hit for hit in found.hits if hit.name == name]
        self.versions.show_hits(name, hits, of_several=False)
        self.versions.title(f"{plain(name, 60)}: {words.counted(found, hits)}")
        self.versions.say(words.unfinished(found) or ("" if hits else "This model has no versions."))
        wanted = self._wanted
        if wanted is not None and wanted[0] == name and self.versions.table.select("/".join(wanted)):
            self._reached()
        if self.versions.table.key() is None:
            self.versions.table.select_first()
        self._show_version()
        self._compare()

    def _no_versions(self, error: DeskError) -> None:
        self._task = None
        self.versions.say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip())

    def _found(self, found: VersionsFound | None) -> None:
        """Show what a search found, in the place of a model's versions; None: nothing is searched for any more."""
        if found is None:
            self._shown = None
            self._load_versions()
            return
        self._stop()
        self.show_content()
        self.versions.show_hits("found", found.hits, of_several=True)
        self.versions.title(f"Found: {words.counted(found, found.hits)}")
        nothing = "" if found.hits else "No version matches. Esc clears the search."
        self.versions.say(words.unfinished(found) or nothing)
        if self.versions.table.key() is None:
            self.versions.table.select_first()
        self._show_version()

    def _not_found(self, error: DeskError) -> None:
        self.versions.say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip())

    def _show_version(self) -> None:
        hit = self._version()
        card = None if hit is None else self._card(hit.name)
        beside = {one.version: one for one in self.versions.hits() if hit is not None and one.name == hit.name}
        self.detail.show_version(hit, beside, None if card is None else card.aliases.get(CHAMPION))

    def show_thing(self, thing: str) -> bool:
        """Choose a model, or a version of it (``NAME/VERSION``); ``compare:NAME/VERSION`` beside the champion."""
        self._compares, thing = thing.startswith(_COMPARE), thing.removeprefix(_COMPARE)
        name, _, version = thing.partition("/")
        self._wanted = (name, version) if version else None
        if self.search.is_on():
            self.search.field.clear()
        found = self.show_in(self.models, name)
        if found and version and self.versions.table.select(thing):
            self._reached()
        return found

    def _reached(self) -> None:
        """Show the version that was wanted beside the champion, if that was wished."""
        self._wanted = None
        if self._compares:
            self._compares = False
            self._compare_with_champion()

    # Comparing.

    def _compare(self) -> None:
        """Show ticked versions side by side as soon as there are two of them."""
        hits = self.versions.ticked()
        self._right.setCurrentWidget(self.detail if len(hits) < 2 else self.comparison)
        self._make_room()
        if len(hits) < 2:
            self.comparison.left()
        else:
            champion = next((words.key_of(hit) for hit in hits if CHAMPION in hit.aliases), None)
            self.comparison.show_versions(hits, champion)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fold()

    def _fold(self) -> None:
        """Put the chosen version below the versions where both don't fit beside each other; they scroll then."""
        narrow = self.width() - LIST_MINIMUM < _BESIDE
        wanted = Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal
        if self._split.orientation() is not wanted:
            self._before = None
            self._split.setOrientation(wanted)
            self._right.setMinimumHeight(theme.DIALOG_TALL if narrow else 0)
            self.versions.setMinimumHeight(theme.LIST_WIDTH if narrow else 0)

    def _make_room(self) -> None:
        """Give what is wide the width that it needs, and take it back after it, as somebody had it.

        A graph has the versions' place too: it is wide, and Up and Down go through the models beside it.
        """
        compared = self._right.currentWidget() is self.comparison
        graph = not compared and self.detail.tabs.current() == "lineage"
        wide = compared or graph or self.detail.tabs.current() == "files"
        self.versions.setVisible(not graph)
        if self._split.orientation() is Qt.Orientation.Vertical:
            return
        if wide and self._before is None:
            self._before = self._split.sizes()
        if wide and self._before is not None:
            whole = sum(self._before)
            right = min(max(self._before[1], theme.DIALOG_WIDTH), whole - theme.LIST_WIDTH)
            self._split.setSizes([whole - right, right])
        elif self._before is not None:
            self._split.setSizes(self._before)
            self._before = None

    def _compare_with_champion(self) -> None:
        """Tick the chosen version and the champion, or what stands beside it where it is that itself."""
        hit = self._version()
        others = [one for one in self.versions.hits() if hit is not None and one.name == hit.name and one != hit]
        if hit is None or not others:
            self.context.say("info", "There is no other version of this model to compare it with.")
            return
        other = next((one for one in others if CHAMPION in one.aliases), others[0])
        for one in (hit, other):
            if one not in self.versions.ticked():
                self.versions.tick(words.key_of(one))

    def _compare_runs(self, run_ids: list[str]) -> None:
        self.context.act("runs.compare", self.context, run_ids, self.context.store.models_uri)

    # Acts.

    def main_table(self) -> ModelList:
        return self.models

    def filter_field(self) -> QLineEdit | None:
        return self.search.field

    def escape(self) -> None:
        """Take back the ticks, else the search."""
        if self.versions.ticked():
            self.versions.clear_ticks()
        else:
            self.search.field.clear()

    def left(self) -> None:
        if self.search.again.timer.isActive() or self._again.timer.isActive():
            self._asked = False  # what was not whole is asked for anew when it is seen again
        self.search.stop()
        self._again.timer.stop()
        self.detail.left()

    def actions_here(self) -> list[Action]:
        return [
            *self.acts.list(),
            Action("models.compare", "Compare with the champion", self._compare_with_champion,
                   when=self.acts.is_chosen, also="versions differences"),
            Action("models.registries", "Registries …", lambda: self.context.open_page("settings", "registries"),
                   places=frozenset({"title", "menu", "palette"}), also="add tracking server store doctor clean up"),
            Action("models.start", "Start the tracking server", self._start_server, places=_PALETTE, asks=True),
        ]  # fmt: skip

    def _fill_menu(self, menu: QMenu) -> None:
        self.acts.fill(menu)
        menu.addSeparator()

    def _change_registry(self) -> None:
        store = self.context.store
        store.part(loads.CARDS).value = None
        store.models.value = None
        self._shown = None
        self._stop()
        self.search.field.clear()
        self.models.show_records({})
        self.versions.show_hits("", [], of_several=False)
        self.versions.title("Versions")
        self._show_version()
        self.context.load(loads.CARDS)
        self.context.load(Topic.MODELS)

    def _start_server(self) -> None:
        self.registries.start_server.setEnabled(False)
        self.context.say("info", "The tracking server is being started; the first time takes some seconds.")

        def done(_registry: Registry) -> None:
            self.registries.start_server.setEnabled(True)
            self.reload()

        def failed(error: DeskError) -> None:
            self.registries.start_server.setEnabled(True)
            self.context.complain(error)

        self.context.ask("start tracking server", lambda desk: desk.models.start(), done, failed)


def query_of(name: str) -> str:
    """Return what finds the versions of a model, and perhaps others: a name may hold what a query can't."""
    longest = max(name.split('"'), key=len)
    return f'name:"{longest}"'

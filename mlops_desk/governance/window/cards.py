"""The card of the chosen version: what the desk knows, what people say of it, and who agreed to that."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.governance.records.card import (
    CARD_TEXTS,
    NEEDED_TEXTS,
    CardExport,
    CardFigure,
    CardOfVersion,
    CardStage,
)
from mlops_desk.governance.window.file_export import ask_where, written
from mlops_desk.governance.window.version_view import ChosenVersionView
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.parts.action_panel import ActsBeside
from mlops_desk.kit.window.parts.close_guard import GuardedForm
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, align, moment_fact
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.textbox import TextBox
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import IDLE, OK, WARNING, Mark

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent


# The forms of governance: what people say on a card, and a word with an act.
_ABOUT = "What only people know. What the desk knows is filled in by itself. An approved card that changes is a draft."


class CardDialog(GuardedForm):
    """Only what was changed is sent, and only while the card still says what was seen."""

    def __init__(
        self, parent: QWidget, context: Context, card: CardOfVersion, name: str, done: Callable[[object], None]
    ) -> None:
        super().__init__(parent, f"Card of {plain(name)}", _ABOUT, "Save card", scrolls=True)
        self._context = context
        self._card, self._name = card, name
        self._done = done
        self.texts: dict[str, TextBox] = {}
        for key, help_text in CARD_TEXTS.items():
            box = self.texts[key] = TextBox(key, card.text(key) or "")
            box.setLineWrapMode(TextBox.LineWrapMode.WidgetWidth)
            box.setFont(theme.font())
            box.setFixedHeight(2 * theme.FIELD_HEIGHT)
            needed = " (needed for review)" if key in NEEDED_TEXTS else ""
            self.add(key.replace("_", " ").capitalize(), box, help_text + needed)
        self.why = Field("Why", "for whoever reads its history")
        self.add("Why", self.why)
        self.submit = self._save
        self.guard(self._words)

    def _words(self) -> tuple[str, ...]:
        return (*(box.toPlainText().strip() for box in self.texts.values()), self.why.text().strip())

    def _save(self) -> None:
        before = {key: self._card.text(key) or "" for key in self.texts}
        now = {key: box.toPlainText().strip() for key, box in self.texts.items()}
        texts = {key: text for key, text in now.items() if text and text != before[key]}
        clear = ",".join(key for key, text in now.items() if not text and before[key])
        if not texts and not clear:
            self.fail(DeskError("Nothing was changed.", "Write something else than the card says, or close this."))
            return
        name, uri, why, sha256 = self._name, self._context.store.models_uri, self.why.text().strip(), self._card.sha256
        self.begin("Saving …")
        self._context.ask(
            "edit card",
            lambda desk: desk.cards.edit(name, texts, clear, uri=uri, why=why, expected=sha256),
            self._saved,
            self.fail,
        )

    def _saved(self, card: CardOfVersion) -> None:
        self._done(card)
        self.accept()


class ReasonDialog(FormDialog):
    """An act on a card, with a word for its history."""

    def __init__(
        self,
        parent: QWidget,
        context: Context,
        title: str,
        act: str,
        do: Callable[[ClientLike, str], CardOfVersion],
        done: Callable[[object], None],
    ) -> None:
        super().__init__(parent, title, "Who does it, when and why is part of the card's history.", act)
        self._context = context
        self._do, self._done = do, done
        self.why = Field("Why", "a word for whoever reads its history")
        self.add("Why", self.why)
        self.submit = self._ask

    def _ask(self) -> None:
        why, do = self.why.text().strip(), self._do
        self.begin("Asking …")
        self._context.ask("card", lambda desk: do(desk, why), self._told, self.fail)

    def _told(self, card: CardOfVersion) -> None:
        self._done(card)
        self.accept()


STAGE_MARKS = {
    CardStage.DRAFT: Mark("muted", IDLE, "draft"),
    CardStage.IN_REVIEW: Mark("warning", WARNING, "in review"),
    CardStage.APPROVED: Mark("ok", OK, "approved"),
    CardStage.ARCHIVED: Mark("muted", IDLE, "archived"),
}
_TEAM = "Everybody who works with the model may; who did, when and why stands in the card's history"
_MOST = 100  # chosen: more of one kind than anybody reads; the exported card has all
_TEXT = 600  # characters: eight lines of the page
_FORMS = "Markdown (*.md);;HTML (*.html);;PDF (*.pdf)"
_ENDS = {"md": "markdown", "html": "html", "pdf": "pdf"}


class CardTab(ChosenVersionView[CardOfVersion]):
    """What can be done follows from its stage."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "Card", lambda desk, version: desk.cards.show(version, uri=context.store.models_uri))
        self.head = Label(bold=True, wrap=True)
        self.edit = Button("Edit …", asks=True)
        self.edit.clicked.connect(self.ask_to_edit)
        self.submit = Button("Submit for review …", main=True, asks=True)
        self.submit.clicked.connect(lambda: self._step("Submit for review", "submit"))
        self.approve = Button("Approve …", main=True, asks=True)
        self.approve.clicked.connect(lambda: self._step("Approve", "approve"))
        self.back = Button("Send back …", asks=True)
        self.back.clicked.connect(lambda: self._step("Send back", "send_back"))
        self.archive = Button("Archive …", asks=True)
        self.archive.clicked.connect(lambda: self._step("Archive", "archive"))
        self.export = Button("Export …", tip="Write it as Markdown, HTML or PDF", asks=True)
        self.export.clicked.connect(self.ask_where_to)
        self._acts = ActsBeside(
            self.head, (self.edit, self.submit, self.back, self.approve, self.archive, self.export), first_grows=True
        )
        self.texts, self.facts, self.steps = FactGrid(), FactGrid(), FactGrid()
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        for title, grid in (("Said by people", self.texts), ("Known by the desk", self.facts), ("History", self.steps)):
            column.addWidget(Label(title, points=theme.CAPTION_POINTS, bold=True, tone="muted"))
            column.addWidget(grid)
        column.addStretch(1)
        self.way = Label(points=theme.CAPTION_POINTS, tone="muted")
        for button in (self.submit, self.approve, self.back, self.archive):
            set_tip(button, _TEAM)
        self.content.addLayout(self._acts)
        self.content.addWidget(self.way)
        card = Card()
        card.column.addWidget(scrolled(inner, "Card of the version"))
        self.content.addWidget(card, 1)

    def resizeEvent(self, event: "QResizeEvent") -> None:
        super().resizeEvent(event)
        self._acts.fold(self.width() - theme.DETAIL_WIDTH)

    def take(self, value: CardOfVersion) -> None:
        mark = STAGE_MARKS[value.stage]
        about = "left by another desk, and only to read" if value.is_foreign else f"revision {value.revision}"
        unwritten = value.revision == 0 and not value.is_foreign
        told = "nobody has written one yet; this is what it would begin with" if unwritten else about
        trouble = f" {numbers.WARNING} {value.trouble}" if value.trouble else ""
        self.head.show_text(f"{mark.text}: {plain(value.model)} v{plain(value.version)}, {told}.{trouble}")
        self.head.tint("text" if mark.shape == IDLE else mark.token)
        self.texts.show_facts(_texts(value))
        self.facts.show_facts(_facts(value))
        self.steps.show_facts(_history(value) or [Fact("Nobody", "has written or agreed to anything yet", "muted")])
        align((self.texts, self.facts, self.steps), theme.COLUMN_MINIMUM)
        self.way.show_text(_way(value.stage))
        own = not value.is_foreign
        self.edit.setVisible(own)
        self.submit.setVisible(own and value.stage is CardStage.DRAFT)
        self.submit.setEnabled(not value.needed)
        lacks = ", ".join(name.replace("_", " ") for name in value.needed)
        set_tip(self.submit, f"It lacks: {lacks}" if lacks else _TEAM)
        self.approve.setVisible(own and value.stage is CardStage.IN_REVIEW)
        self.back.setVisible(own and value.stage is CardStage.IN_REVIEW)
        self.archive.setVisible(own and value.stage is CardStage.APPROVED)
        self._acts.fold(self.width() - theme.DETAIL_WIDTH)

    def ask_to_edit(self) -> None:
        """Open the form of what people say."""
        if self.value is not None:
            CardDialog(self, self.context, self.value, self.name(), self._again).open()

    def name(self) -> str:
        """Return what the verbs call the card that is shown: by its number, also where an alias led to it."""
        return "" if self.value is None else f"{self.value.model}/{self.value.version}"

    def _step(self, title: str, verb: str) -> None:
        value = self.value
        if value is None:
            return
        name, uri, sha256 = self.name(), self.context.store.models_uri, value.sha256

        def do(desk: "ClientLike", why: str) -> CardOfVersion:
            if verb == "approve":
                return desk.cards.approve(name, uri=uri, why=why, expected=sha256)
            done: Callable[..., CardOfVersion] = getattr(desk.cards, verb)
            return done(name, uri=uri, why=why)

        ReasonDialog(self, self.context, f"{title}: {name}", title, do, self._again).open()

    def _again(self, _card: object) -> None:
        self.look()

    def ask_where_to(self) -> None:
        """Ask for the file that the card is written to; its ending says as what."""
        if self.value is not None:
            name = self.name().replace("/", "-")
            self.chooser = ask_where(self, "Export the card", f"{plain(name, 80)}-card.md", _FORMS, self._write)

    def _write(self, path: str) -> None:
        name, uri = self.name(), self.context.store.models_uri
        form = _ENDS.get(path.rpartition(".")[2].lower(), "markdown")

        def write(desk: "ClientLike") -> str:
            made: CardExport = desk.cards.export(name, form, uri=uri)
            return written(path, made.data)

        self.context.ask("export card", write, lambda at: self.context.say("info", f"The card is at {plain(at, 200)}."))

    def actions_here(self) -> list[Action]:
        def has() -> bool:
            return self.value is not None

        return [
            Action("cards.edit", "Edit the card of the chosen version …", self.ask_to_edit, "E", when=self._is_own,
                   gentle=True, asks=True),
            *(
                Action(f"cards.{verb}", f"{title} the card of the chosen version …", button.click,
                       when=_offers(button), asks=True)
                for verb, title, button in (
                    ("submit", "Submit", self.submit), ("approve", "Approve", self.approve),
                    ("send_back", "Send back", self.back), ("archive", "Archive", self.archive),
                )
            ),
            Action("cards.export", "Export the card of the chosen version …", self.ask_where_to, when=has, asks=True),
        ]  # fmt: skip

    def _is_own(self) -> bool:
        return self.value is not None and not self.value.is_foreign

    def _refused(self, error: DeskError) -> None:
        """Say that there is none, where none can be told, instead of what another version had."""
        super()._refused(error)


def _offers(button: Button) -> "Callable[[], bool]":
    return lambda: button.isEnabled() and not button.isHidden()


def _way(stage: CardStage) -> str:
    """Return the way of a card from draft to archived, with where it stands."""
    return "  →  ".join(f"{OK} {STAGE_MARKS[one].word}" if one is stage else STAGE_MARKS[one].word for one in CardStage)


def _texts(card: CardOfVersion) -> list[Fact]:
    said = {one.name: one for one in card.texts}
    facts = []
    for name, help_text in CARD_TEXTS.items():
        one = said.get(name)
        title = name.replace("_", " ").capitalize()
        if one is None or not one.text:
            needed = name in card.needed
            mark = f"{WARNING} needed for review: " if needed else f"{numbers.NOTHING} "
            facts.append(Fact(title, mark + help_text, "warning" if needed else "muted"))
        else:
            who = "the desk" if one.by_desk else plain(one.by or "?", 60)
            facts.append(Fact(title, plain(one.text, _TEXT), tip=f"by {who}\n{numbers.absolute(one.at)}"))
    return facts


def _facts(card: CardOfVersion) -> list[Fact]:
    known = card.facts
    facts = [moment_fact("Asked", known.at)]
    facts += [Fact("Run", plain(known.run_id, 80), fixed=True)] if known.run_id else []
    facts += [Fact("Job", plain(known.job_id, 80), fixed=True)] if known.job_id else []
    for one in known.data[:_MOST]:
        facts.append(Fact(f"Data: {plain(one.role or 'any', 30)}", f"{plain(one.name, 80)}, {plain(one.digest, 64)}"))
    facts += [_figure(one) for one in known.figures[:_MOST]]
    for watch in known.monitors[:_MOST]:
        verdict = plain(watch.verdict or "no window yet", 60)
        facts.append(Fact("Monitor", f"{plain(watch.name, 60)}: {verdict}, {numbers.ago(watch.at)}"))
    place = known.environment
    if place.image or place.commit:
        facts.append(Fact("Image", plain(place.image or numbers.NOTHING, 120), tip=place.image_digest or ""))
        facts.append(Fact("Commit", plain(place.commit or numbers.NOTHING, 80), fixed=True))
    facts += [Fact(f"Not known: {plain(one.what, 40)}", plain(one.why, 300), "warning") for one in known.gaps[:_MOST]]
    return facts


def _figure(one: CardFigure) -> Fact:
    value = numbers.number(one.value, 4)
    if one.low is not None and one.high is not None:
        value += f" ({numbers.number(one.low, 4)} – {numbers.number(one.high, 4)})"
    told = (
        "logged by its run about itself" if one.rows is None else f"{one.rows:,} rows of {plain(one.data or '?', 120)}"
    )
    return Fact(plain(one.name, 60), f"{value}, {told}")


def _history(card: CardOfVersion) -> list[Fact]:
    return [
        Fact(
            numbers.day_and_clock(one.at),
            f"{one.act.value.replace('_', ' ')} by {plain(one.by, 60)}, revision {one.revision}"
            + (f": {plain(one.why, 300)}" if one.why else ""),
        )
        for one in reversed(card.steps[-_MOST:])
    ]

"""The rollout under way: how much goes to which revision, what it waits for, and what a person can do about it."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.slider import Slider
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.serving.records import rollout_words
from mlops_desk.serving.records.endpoint import Endpoint

_MOST_PERCENT = 99  # the whole is a promotion, which has a button of its own


class RolloutBar(Card):
    """``promoted`` and ``taken_back`` tell what is wanted, ``shared`` the percent for the revision on its way."""

    promoted = Signal()
    taken_back = Signal()
    shared = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.says = Label(bold=True, wrap=True)
        self.brief = Label(bold=True)
        self.waits = Label(wrap=True)
        self.guard = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.slider = Slider("Share of the revision on its way, in percent")
        self.slider.setRange(1, _MOST_PERCENT)
        self.slider.setFixedWidth(theme.TILE_MINIMUM_WIDTH)
        self.share = Button("", tip="Give it this share of the requests, and hold it there", asks=True)
        self.promote = Button("Promote", main=True, tip="Let it answer all requests now", asks=True)
        self.back = Button("Roll back", harmful=True, tip="Let the live revision answer all requests again", asks=True)
        self.slider.valueChanged.connect(self._offer)
        self.share.clicked.connect(lambda _on=False: self._share())
        self.promote.clicked.connect(self.promoted)
        self.back.clicked.connect(self.taken_back)
        self._shown: tuple[str, int, float] | None = None
        acts = QWidget()
        flow = FlowLayout(acts)
        flow.addWidget(self.brief)
        flow.addWidget(self.slider)
        for button in (self.share, self.promote, self.back):
            flow.addWidget(button)
        self.column.setSpacing(theme.SPACE_4)
        for widget in (self.says, acts, self.waits, self.guard):
            self.column.addWidget(widget)
        self.brief.hide()
        self.hide()

    def fold(self, *, is_low: bool, is_cramped: bool) -> None:
        """Have what sends it back in a tip alone where there is little room; where hardly any, it is one line."""
        self.guard.setVisible(not is_low)
        self.waits.setVisible(not is_cramped)
        self.says.setVisible(not is_cramped)
        self.brief.setVisible(is_cramped)
        self.slider.setFixedWidth(theme.TILE_MINIMUM_WIDTH // 2 if is_cramped else theme.TILE_MINIMUM_WIDTH)
        above, below = (theme.SPACE_4,) * 2 if is_cramped else (theme.SPACE_8, theme.SPACE_12)
        self.column.setContentsMargins(theme.SPACE_12, above, theme.SPACE_12, below)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Show the rollout of an endpoint; hidden without one."""
        rollout = endpoint.rollout if endpoint is not None else None
        self.setVisible(rollout is not None)
        if endpoint is None or rollout is None:
            self._shown = None
            return
        self.says.show_text(rollout_words.stands(endpoint, rollout))
        led_by = rollout_words.leader(endpoint)
        self.waits.show_text(rollout_words.waits(rollout, led_by, endpoint.canary_answered))
        guarded = rollout_words.guarded(rollout, led_by)
        self.guard.show_text(guarded)
        set_tip(self.waits, guarded)
        set_tip(self.says, f"{self.waits.whole} {guarded}")
        self.brief.show_text(rollout_words.brief(rollout))
        set_tip(self, f"{self.says.whole} {self.waits.whole} {guarded}")  # a label that is cut has a tip of its own
        now = endpoint.name, rollout.revision, rollout.percent
        if now != self._shown:  # else a person may be moving it
            self._shown = now
            self.slider.setValue(max(1, round(rollout.percent)))
        self._offer()

    def _share(self) -> None:
        """Ask for the share, with the focus back at the slider: from a button that ends Qt moves it to *Promote*."""
        self.slider.setFocus(Qt.FocusReason.OtherFocusReason)
        self.shared.emit(self.slider.value())

    def _offer(self) -> None:
        self.share.show_title(f"Give it {self.slider.value()} %")
        self.share.setEnabled(self._shown is not None and round(self._shown[2]) != self.slider.value())

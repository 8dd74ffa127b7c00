"""Where a deployment is to be placed: on how many GPUs, in how many replicas, and whether the model fits there."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlops_desk.base.text import plain
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.look import theme
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.form import Paragraph
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.records.serving.model_fit import ModelFit

_GPUS = (0, 1, 2, 4, 8)  # chosen: as models are spread; other numbers are for the command line
_REPLICAS = (1, 2, 3, 4, 8)  # chosen: likewise
_AS_BEFORE = "As before"


class PlaceFields:
    """Two lists and a line; ``moved`` hears that another number of GPUs was chosen."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self.gpus, self.replicas = ChoiceBox("GPUs"), ChoiceBox("Replicas")
        self.fit = Paragraph(points=theme.CAPTION_POINTS, tone="muted")
        self.fit.setAccessibleName("Whether it fits")
        self._is_new: bool | None = None
        self.show_endpoint(None)
        self.gpus.currentIndexChanged.connect(lambda _index: moved())

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Offer to leave both as they are, where there is something that they are."""
        if self._is_new is (endpoint is None):
            return
        self._is_new = endpoint is None
        for box, counts, none in ((self.gpus, _GPUS, "None: on processors"), (self.replicas, _REPLICAS, "")):
            blocked = box.blockSignals(True)
            box.clear()
            if endpoint is not None:
                box.addItem(_AS_BEFORE, None)
            for count in counts:
                noun = "GPU for each replica" if box is self.gpus else "replica"
                box.addItem(none if count == 0 else numbers.count(count, noun, _many(noun)), count)
            box.blockSignals(blocked)

    def n_gpus(self) -> int | None:
        """Return how many GPUs each replica is to have; None: as before."""
        chosen: int | None = self.gpus.currentData()
        return chosen

    def n_replicas(self) -> int | None:
        """Return how many replicas there are to be; None: as before."""
        chosen: int | None = self.replicas.currentData()
        return chosen

    def show_fit(self, fit: "ModelFit") -> None:
        """Tell whether it fits."""
        mark = {True: numbers.OK, False: numbers.ALERT, None: numbers.UNKNOWN}[fit.is_possible]
        tone = {True: "ok", False: "alert", None: "muted"}[fit.is_possible]
        word = {True: "It fits. ", False: "It does not fit. ", None: ""}[fit.is_possible]
        self.say(f"{mark} {word}{plain(fit.text)}", tone)

    def say(self, text: str, tone: str) -> None:
        self.fit.show_text(text)
        self.fit.tint(tone)


def _many(noun: str) -> str:
    return noun.replace("GPU", "GPUs") if noun.startswith("GPU") else f"{noun}s"

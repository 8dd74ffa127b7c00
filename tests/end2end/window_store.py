"""A real window that mends and clears a registry by its own buttons: run by the tests of that.

    python tests/end2end/window_store.py FOLDER REGISTRY WORK

WORK is JSON: ``{"fixes": [WORD, …], "sweep": EXPERIMENT or null, "runs": [ID, …], "purge": bool}``. It prints, as JSON,
what each dialog asked and what was said after it. Nothing is asked of the agent but by what a person can press.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PySide6.QtWidgets import QApplication, QDialog

from mlops_desk.desk.window.app import Program
from mlops_desk.desk.window.settings.registries.cleanup import CleanUpDialog
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.window.live.context import UiOptions
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.registry.window.runs.acts import RunActs

_SECONDS = 60.0


class Hand:
    """Presses buttons and hears what is said; each wait has an end."""

    def __init__(self, application: QApplication, program: Program) -> None:
        self._application = application
        self.program = program
        self.said: list[str] = []
        self.offers: list[tuple[str, str, Callable[[], None]]] = []
        program.context.said.connect(lambda _level, text: self.said.append(text))
        program.context.offered.connect(lambda *offer: self.offers.append(offer))

    def until(self, what: Callable[[], Any], about: str) -> Any:
        end = time.monotonic() + _SECONDS
        while not (found := what()):
            if time.monotonic() > end:
                words = [label.whole for label in self.program.window.findChildren(Label) if label.isVisible()]
                raise SystemExit(f"never: {about}; said {self.said}; shown {words}")
            self._application.processEvents()
            time.sleep(0.01)
        return found

    def dialog(self, kind: type[QDialog]) -> Any:
        def found() -> QDialog | None:
            shown = self._application.activeModalWidget()
            return shown if isinstance(shown, kind) else None

        return self.until(found, kind.__name__)

    def hear(self, press: Callable[[], None], about: str) -> str:
        """Press, and return what is said next."""
        before = len(self.said)
        press()
        self.until(lambda: len(self.said) > before, f"a word about {about}")
        return self.said[before]

    def offered(self, press: Callable[[], None], about: str) -> tuple[str, Callable[[], None]]:
        """Press, and return what is offered next, with what its button does."""
        before = len(self.offers)
        press()
        self.until(lambda: len(self.offers) > before, f"an offer after {about}")
        text, _act, do = self.offers[before]
        return text, do


def mend(hand: Hand, store: Any, word: str) -> dict[str, Any]:
    """Choose the finding that a fix is offered for, confirm, and wait until the store was looked over again."""
    report = hand.until(lambda: store._report, "a report")
    check = next((one.check for one in report.findings if one.fix == word), None)
    if check is None:
        raise SystemExit(f"{word} is not offered: {report.findings}")
    store.findings.select(check)
    hand.until(store.fix.isEnabled, f"the button for {word}")
    store.fix.click()
    asked = hand.dialog(Confirm)
    text = " ".join(label.whole for label in asked.findChildren(type(store.says)))
    said = hand.hear(asked.act.click, word)
    hand.until(lambda: store._report is not None and store._report is not report, f"a report after {word}")
    state = next(one.state.value for one in store._report.findings if one.check == check)
    return {"asked": text, "said": said, "state": state}


def clear(hand: Hand, view: Any, experiment: str) -> dict[str, Any]:
    """Preview the clean-up of a sweep, do it, take it back, and do it again."""
    told: dict[str, Any] = {}
    for time_of_it in ("first", "again"):
        view.clean.click()
        dialog = hand.dialog(CleanUpDialog)
        dialog.name.setText(experiment)
        dialog.best.setCurrentIndex(dialog.best.findData(3))
        dialog.measure.setText("auc")
        hand.until(dialog.act.isEnabled, "a preview")
        going = [dialog.going.records.index(row, 0).data() for row in range(dialog.going.shown_rows())]
        staying = [dialog.staying.records.index(row, 0).data() for row in range(dialog.staying.shown_rows())]
        said, undo = hand.offered(dialog.act.click, "a clean-up")
        told[time_of_it] = {"going": sorted(going), "staying": sorted(staying), "said": said}
        if time_of_it == "first":
            told["undone"] = hand.hear(undo, "what came back")
    return told


def delete(hand: Hand, registry: str, run_ids: list[str]) -> dict[str, Any]:
    """Delete runs on their page, and bring them back by what is offered then."""
    acts = RunActs(hand.program.window, hand.program.context, lambda: None)
    asked = acts.delete([(run_id, run_id[:8]) for run_id in run_ids], registry)
    said, undo = hand.offered(asked.act.click, "deleting runs")
    return {"said": said, "undone": hand.hear(undo, "what came back")}


def main() -> None:
    folder, registry, work = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    address = AgentAddress.of_folder(folder)
    application = QApplication(["mlops-desk"])
    program = Program(application, lambda given_up: connect(address, given_up=given_up), UiOptions(address))
    hand = Hand(application, program)
    program.start()
    hand.until(lambda: program.store.connection.state == "live", "the agent")
    told: dict[str, Any] = {}
    if work.get("runs"):
        program.window.open_thing("runs", None)
        told["runs"] = delete(hand, registry, work["runs"])
    program.go_to("mlops-desk://settings/registries")
    view: Any = program.window.page().registries  # type: ignore[union-attr]  # it is the page on settings
    hand.until(lambda: view.table.holds(registry), "the list of registries")
    view.table.select(registry)
    hand.until(lambda: view.store._registry is not None and view.store._registry.name == registry, "its store")
    hand.until(view.clean.isEnabled, "its buttons")
    view.store.examine()
    hand.until(lambda: view.store._report is not None, "a report")
    told["fixes"] = {word: mend(hand, view.store, word) for word in work.get("fixes", [])}
    if work.get("sweep"):
        report = view.store._report
        told["sweep"] = clear(hand, view, work["sweep"])
        hand.until(lambda: view.store._report is not None and view.store._report is not report, "a report after it")
    if work.get("purge"):
        view.store.examine()
        hand.until(lambda: any(one.fix == "purge" for one in view.store._report.findings), "a purge")
        told["purge"] = mend(hand, view.store, "purge")
    print(json.dumps(told), flush=True)
    program.stop()


if __name__ == "__main__":
    main()

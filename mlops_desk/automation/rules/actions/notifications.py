"""Telling people that a rule fired: on the desktop, by webhook, by e-mail, by a command of their own.

Each way is tried a few times, and one that fails keeps none of the others back. What an earlier agent may have told
already: a notice is shown once more, a webhook and a mail go out with the same key, so that who receives them knows a
repetition; a command, which nobody can take back, is not run a second time.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from mlops_desk.automation.records.actions import NotifyAction
from mlops_desk.automation.records.firing import FiringState
from mlops_desk.automation.rules.actions.action_run import Deed
from mlops_desk.automation.rules.actions.outcome import Became
from mlops_desk.automation.rules.actions.ports import ActionHouse
from mlops_desk.kit.base.errors import DeskError, Hint, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import Notice

_log = logging.getLogger(__name__)

SOURCE = "rules"
PAUSES = (1.0, 5.0, 15.0)
"""Chosen: a receiver that restarts is back by then; one that is down for longer would hold up what comes behind."""
_SUBJECT = 120  # chosen: a line of a list of mails
_TEXT = 1000  # chosen: a paragraph


class RuleTelling:
    """Does a ``notify``. ``wait`` pauses for so many seconds, and tells whether the agent is about to end."""

    def __init__(self, house: ActionHouse, wait: Callable[[float], bool]) -> None:
        self._house = house
        self._wait = wait
        self._troubles: dict[str, str] = {}

    def tell(self, action: NotifyAction, deed: Deed) -> Became:
        """Tell people by all ways that the action names. Raises the first error where no way has worked."""
        told, failed = [], []
        for way in action.ways:
            try:
                if way == "command" and deed.again:
                    raise Unavailable("Whether the command was run is not known, so it is not run again.")
                self._often(way, action, deed)
            except DeskError as error:
                failed.append((way, error))
            else:
                told.append(way)
        if not failed:
            self._troubles.pop(deed.firing.rule_id, None)
            return Became(f"Told by {', '.join(told)}.")
        text = "; ".join(f"{way}: {error.message}" for way, error in failed)
        if "desktop" not in told:
            self._tell_trouble(text, failed[0][1].hint, deed)
        before = f"Told by {', '.join(told)}, but not by " if told else "Not told by "
        unknown = deed.again and failed[0][0] == "command" and len(failed) == 1
        state = FiringState.UNKNOWN if unknown else FiringState.FAILED
        return Became(f"{before}{text}", state, hint=failed[0][1].hint)

    def _often(self, way: str, action: NotifyAction, deed: Deed) -> None:
        for pause in (*PAUSES, None):
            try:
                self._once(way, action, deed)
            except Unavailable as error:
                if pause is None or way == "command" or self._wait(pause):
                    raise
                _log.info("The rule %s could not tell by %s yet: %s", deed.firing.rule, way, error.message)
            else:
                return

    def _once(self, way: str, action: NotifyAction, deed: Deed) -> None:
        words = said(action, deed, self._title(deed))
        if way == "desktop":
            hint = Hint(f"mlops-desk rules show {deed.firing.rule}", after=" tells how it stands.")
            about = ("rule", deed.firing.rule)
            self._house.notice(Notice(action.level, SOURCE, words, hint, deed.firing.at, about=about, personal=True))
        elif way == "webhook":
            self._house.webhook(_document(action, deed, words), deed.key)
        elif way == "email":
            self._house.email(f"[MLOps Desk] {plain(words, _SUBJECT)}", _letter(words, deed), deed.key)
        else:
            uid = deed.firing.created_by
            if uid is None:
                raise Unavailable("Whose command it would be is not known.")
            self._house.command({**_document(action, deed, words), "key": deed.key}, uid)

    def _title(self, deed: Deed) -> str:
        return self._house.title(deed.firing.subject) if deed.firing.subject else ""

    def _tell_trouble(self, text: str, hint: str | None, deed: Deed) -> None:
        """Tell once of a trouble that lasts: a rule that fires each minute would drown everything else."""
        if self._troubles.get(deed.firing.rule_id) == text:
            return
        self._troubles[deed.firing.rule_id] = text
        said_of = f"The rule {deed.firing.rule} fired and could not tell of it. {text}"
        about = ("rule", deed.firing.rule)
        self._house.notice(Notice("warning", SOURCE, said_of, hint, time.time(), about=about))


def said(action: NotifyAction, deed: Deed, title: str) -> str:
    """Return what people are told: the action's own text, else the rule's sentence, and what its thing is called."""
    sentence = deed.rule.sentence if deed.rule is not None else ""
    text = action.text or f"The rule {deed.firing.rule} fired. {sentence}".rstrip()
    of = f" ({plain(title, 200)})" if title else ""
    return plain(f"{text}{of}", _TEXT)


def _document(action: NotifyAction, deed: Deed, words: str) -> Mapping[str, Any]:
    return {
        "state": "rule",
        "rule": deed.firing.rule,
        "level": action.level,
        "text": words,
        "subject": deed.firing.subject,
        "trigger": deed.firing.trigger,
        "firing": deed.firing.id,
        "at": deed.firing.at,
    }


def _letter(words: str, deed: Deed) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(deed.firing.at))
    about = deed.rule.sentence if deed.rule is not None else "The rule was removed since."
    return (
        f"{words}\n\nRule {deed.firing.rule}, {at}.\n{plain(about, 4000)}\n\nmlops-desk rules show {deed.firing.rule}\n"
    )

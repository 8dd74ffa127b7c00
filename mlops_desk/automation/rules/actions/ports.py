"""What actions ask of the rest of the house. Everything may raise DeskError, and keeps a deadline of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mlops_desk.automation.records.actions import CiAction
from mlops_desk.automation.records.approval import Approval
from mlops_desk.automation.records.ci.run import CiRun
from mlops_desk.automation.records.firing import PushedRef
from mlops_desk.automation.records.retraining_rule import Retraining, Rule
from mlops_desk.jobs.records.job import Job
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.event import Notice
from mlops_desk.serving.records.endpoint import Endpoint


class Retrains(Protocol):
    """Trains again by a rule, with jobs of a chain; what was begun under an id before is only found again."""

    def __call__(
        self, rule: Rule, trigger: str, data: Mapping[str, str], retraining_id: str, chain: int
    ) -> Retraining: ...


@dataclass(frozen=True, slots=True)
class ActionHouse:
    """``allow`` raises Refused where the caller may not ask for a verb of a service with these arguments.

    ``title`` tells what people call a thing of a rule. ``notice`` announces. ``webhook`` posts a document, ``email``
    sends a subject and a text, and ``command`` runs the program of the settings as a person (uid) with a document on
    its standard input: each with a key by which a repetition is known. ``submit`` queues a template's job with
    parameters under an origin and with its chain (as ``Job`` has it), ``job_of_origin`` finds it. ``run_pushed`` runs
    the pipeline of a ref that was pushed, or finds the run of that commit. ``promote_tag`` takes a signed tag
    (repository, tag, alias) as a word for a move, or tells of the one it has made. ``job`` finds a job by its id,
    ``newest_job`` by its name. ``raise_alert`` has one fire, once for each rule and thing, and ends it when that is
    over. ``pause_endpoint`` takes what callers are told.
    """

    allow: Callable[[str, str, Mapping[str, Any]], None]
    notice: Callable[[Notice], None]
    title: Callable[[str], str]
    webhook: Callable[[Mapping[str, Any], str], None]
    email: Callable[[str, str, str], None]
    command: Callable[[Mapping[str, Any], int], None]
    submit: Callable[[str, Mapping[str, str], str, int], Job]
    run_pushed: Callable[[CiAction, PushedRef], CiRun]
    promote_tag: Callable[[str, str, str], Approval]
    job_of_origin: Callable[[str], Job | None]
    job: Callable[[str], Job]
    newest_job: Callable[[str], Job | None]
    cancel: Callable[[str], Job]
    endpoint: Callable[[str], Endpoint]
    raise_alert: Callable[[Alert], Alert]
    pause_endpoint: Callable[[str, str], Endpoint]
    roll_back: Callable[[str], Endpoint]

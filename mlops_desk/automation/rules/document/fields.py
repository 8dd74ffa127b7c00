"""What a rule's document may hold: its fields, in the order in which they are written.

A condition and an action are each told by the one key that says what kind it is (``metric``, ``cron``, ``notify``);
``key_combinations.py`` says which other keys go with it. The names are a contract: they are added to, never changed.
"""

from dataclasses import replace
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from mlops_desk.automation.rules.document import scalars
from mlops_desk.kit.base.document.field_declarations import told, written_as
from mlops_desk.kit.base.document.scalar_types import FLAG, LENGTH, NUMBER, WHOLE, WORD, Form, whole

API_VERSION: Final = "mlops-desk/v1"
_MOST_PARTS = 20  # chosen: a sentence with more is read by nobody
_MOST_ACTIONS = 10  # chosen: likewise
_MOST_PARAMS = 100  # chosen: likewise
_MOST_PEOPLE = 10  # chosen: more than a policy of one machine's owners asks

Length = Annotated[float, Meta(ge=0, extra=written_as(LENGTH))]
Number = Annotated[float, Meta(extra=written_as(NUMBER))]
Word = Annotated[str, Meta(extra=written_as(WORD))]
Thing = Annotated[str, Meta(extra=written_as(scalars.THING))]
Model = Annotated[str, Meta(extra=written_as(scalars.MODEL))]
Line = Annotated[str, Meta(extra=written_as(scalars.TEXT))]
Minute = Annotated[int, Meta(ge=0, lt=1440, extra=written_as(scalars.CLOCK))]
Share = Annotated[float, Meta(ge=0, le=1, extra=written_as(NUMBER))]
Folder = Annotated[str, Meta(extra=written_as(scalars.FOLDER))]
Pipeline = Annotated[str, Meta(extra=written_as(scalars.PIPELINE))]
Way = Annotated[
    Literal["desktop", "webhook", "email", "command"],
    Meta(extra=written_as(Form("desktop, webhook, email or command"))),
]
_HOURS = replace(NUMBER, wanted="GPU-hours above 0; a rule that shall not fire is paused (rules pause)")
_LEVEL = Form("info, warning or alert")
_KIND = Form("job, endpoint, monitor or gpu")
_GOAL = Form("maximize or minimize")
_MOST_MADE = 1_000_000  # as many as are read of a maker
_MADE = whole(f"a whole number of rows, 1 to {_MOST_MADE}")
_USE = Form("with or instead")
_PEOPLE = whole(f"a whole number of people, 1 to {_MOST_PEOPLE}")


class WhenFields(Struct, frozen=True, kw_only=True):
    """A condition: one of metric, state, cron, newData, newRows, dvc, push, drift, manual, and, or."""

    metric: Annotated[str, Meta(extra=written_as(scalars.METRIC)), told("a number that the desk measures")] | None = (
        None
    )
    device: Annotated[Word, told("class of things, where the metric is of several: gpu, host, disk, …")] | None = None
    state: (
        Annotated[
            Literal["job", "endpoint", "monitor", "gpu"],
            Meta(extra=written_as(_KIND)),
            told("how things stand"),
        ]
        | None
    ) = None
    is_: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=_MOST_PARTS), told("states that count")] | None = (
        field(default=None, name="is")
    )
    of: Annotated[Thing, told("the one thing meant; without it, each thing for itself")] | None = None
    above: Annotated[Number, told("at or above this, in the metric's unit")] | None = None
    below: Annotated[Number, told("at or below this, in the metric's unit")] | None = None
    average: Annotated[bool, Meta(extra=written_as(FLAG)), told("true: its mean counts as well")] | None = None
    grown_over: (
        Annotated[float, Meta(gt=0, extra=written_as(LENGTH)), told("a counter: its growth within so long counts")]
        | None
    ) = field(default=None, name="grownOver")
    clear: Annotated[Number, told("over when it is back here; without it, back at the threshold")] | None = None
    cron: Annotated[str, Meta(extra=written_as(scalars.CRON)), told("times of a schedule")] | None = None
    zone: Annotated[str, Meta(extra=written_as(scalars.ZONE)), told("whose clocks show them (default UTC)")] | None = (
        None
    )
    new_data: Annotated[Folder, told("folder whose files are others than before")] | None = field(
        default=None, name="newData"
    )
    new_rows: Annotated[Line, told("address of a database that has greater values than before")] | None = field(
        default=None, name="newRows"
    )
    table: Annotated[str, Meta(extra=written_as(scalars.TABLE)), told("its table")] | None = None
    query: Annotated[Line, told("or what is asked of it, as for a data set that is a query")] | None = None
    column: Annotated[Line, told("column that only grows, as a number or the time of a row")] | None = None
    login: Annotated[Model, told("your secret with the password that the database asks for")] | None = None
    dvc: Annotated[Folder, told(".dvc file or dvc.lock whose data are others than before")] | None = None
    output: Annotated[Line, told("the one path in it that counts; without it, all")] | None = None
    push: Annotated[str, Meta(extra=written_as(scalars.REPOSITORY)), told("repository with a new commit")] | None = None
    ref: (
        Annotated[
            str,
            Meta(extra=written_as(scalars.REF)),
            told("branch, or else tag, of that name; refs/tags/v1 is the tag (push: main, dvc: what lies there)"),
        ]
        | None
    ) = None
    drift: Annotated[Model, told("endpoint whose data a report calls drifted")] | None = None
    model: Annotated[Model, told("model that it serves then")] | None = None
    manual: Annotated[bool, Meta(extra=written_as(FLAG)), told("true: by a person alone")] | None = None
    and_: (
        Annotated[tuple["WhenFields", ...], Meta(min_length=2, max_length=_MOST_PARTS), told("all of these at once")]
        | None
    ) = field(default=None, name="and")
    or_: (
        Annotated[tuple["WhenFields", ...], Meta(min_length=2, max_length=_MOST_PARTS), told("one of these")] | None
    ) = field(default=None, name="or")
    for_: Annotated[Length, told("how long this part lasts before it counts")] | None = field(default=None, name="for")


class AugmentFields(Struct, frozen=True, kw_only=True):
    """Rows that are made for a training besides the real ones."""

    template: Annotated[Model, told("template of the job that makes them")]
    rows: Annotated[int, Meta(ge=1, le=_MOST_MADE, extra=written_as(_MADE)), told("how many at most")]
    use: (
        Annotated[
            Literal["with", "instead"], Meta(extra=written_as(_USE)), told("with the real rows, or instead of them")
        ]
        | None
    ) = None
    file: Annotated[Folder, told("file that is trained on, as the training sees it")] | None = None
    params: (
        Annotated[
            dict[Annotated[str, Meta(extra=written_as(scalars.PARAMETER))], Line],
            Meta(max_length=_MOST_PARAMS),
            told("parameters of the template"),
        ]
        | None
    ) = None
    seed: Annotated[int, Meta(extra=written_as(WHOLE)), told("the same seed makes the same rows")] | None = None
    quality: Annotated[Share, told("least fidelity, 0 to 1")] | None = None
    copies: Annotated[Share, told("largest share of copies of real rows, 0 to 1")] | None = None
    protection: Annotated[Share, told("least protection of the real rows, 0 to 1")] | None = None


class ActionFields(Struct, frozen=True, kw_only=True):
    """An action: one of notify, alert, submit, retrain, stop, pause, rollBack, approval, ci, promote."""

    notify: Annotated[tuple[Way, ...], Meta(min_length=1, max_length=4), told("ways to tell people")] | None = None
    level: (
        Annotated[Literal["info", "warning", "alert"], Meta(extra=written_as(_LEVEL)), told("how grave it is")] | None
    ) = None
    alert: (
        Annotated[
            Literal["info", "warning", "alert"],
            Meta(extra=written_as(_LEVEL)),
            told("raises an alert so grave, which ends when the condition does"),
        ]
        | None
    ) = None
    text: Annotated[Line, told("what is told; without it, the rule's sentence")] | None = None
    submit: Annotated[Model, told("template of a job file that is queued")] | None = None
    params: (
        Annotated[
            dict[Annotated[str, Meta(extra=written_as(scalars.PARAMETER))], Line],
            Meta(max_length=_MOST_PARAMS),
            told("parameters of the template"),
        ]
        | None
    ) = None
    retrain: Annotated[Model, told("model whose training runs again")] | None = None
    alias: Annotated[Model, told("whose version it is held against (default champion)")] | None = None
    metric: Annotated[Line, told("metric of the runs that decides")] | None = None
    goal: (
        Annotated[
            Literal["maximize", "minimize"], Meta(extra=written_as(_GOAL)), told("which way it is better (maximize)")
        ]
        | None
    ) = None
    data: (
        Annotated[dict[Folder, Folder], Meta(max_length=_MOST_PARAMS), told("mount target: path that takes its place")]
        | None
    ) = None
    test: Annotated[Folder, told("file of labelled rows that both models are scored on")] | None = None
    newest: Annotated[Folder, told("file of the newest labelled rows, on which it has to be better")] | None = None
    label: Annotated[Line, told("column of the truth")] | None = None
    positive: Annotated[Line, told("class that precision, recall, f1 and roc_auc speak of")] | None = None
    delta: (
        Annotated[float, Meta(ge=0, extra=written_as(NUMBER)), told("how much worse it may be on the test set")] | None
    ) = None
    slices: (
        Annotated[tuple[Line, ...], Meta(min_length=1, max_length=20), told("columns in whose groups it may not lose")]
        | None
    ) = None
    slice_delta: (
        Annotated[float, Meta(ge=0, extra=written_as(NUMBER)), told("how much worse it may be in a group")] | None
    ) = field(default=None, name="sliceDelta")
    size_times: (
        Annotated[float, Meta(gt=0, extra=written_as(NUMBER)), told("times the champion's size that it may have")]
        | None
    ) = field(default=None, name="sizeTimes")
    latency_times: (
        Annotated[float, Meta(gt=0, extra=written_as(NUMBER)), told("times as long as it may take for a batch")] | None
    ) = field(default=None, name="latencyTimes")
    augment: Annotated[AugmentFields, told("rows that are made for the training besides")] | None = None
    stop: Annotated[Model, told("job to stop; each: the one that the rule fires for")] | None = None
    warning: Annotated[Length, told("how long its owner is told before (default 10m)")] | None = None
    pause: Annotated[Model, told("endpoint that answers no more until somebody resumes it")] | None = None
    roll_back: Annotated[Model, told("endpoint that goes back to its revision before")] | None = field(
        default=None, name="rollBack"
    )
    approval: Annotated[Line, told("question to people; what stands below waits for their word")] | None = None
    ci: Annotated[Pipeline, told("pipeline's file of the repository that was pushed to; it is run")] | None = None
    promote: (
        Annotated[Model, told("alias that moves by a pushed tag promote/MODEL/VERSION, as its policy says")] | None
    ) = None
    people: (
        Annotated[int, Meta(ge=1, le=_MOST_PEOPLE, extra=written_as(_PEOPLE)), told("how many have to agree")] | None
    ) = None


class BudgetFields(Struct, frozen=True, kw_only=True):
    """What the jobs of a rule may take."""

    gpu_hours: Annotated[float, Meta(gt=0, extra=written_as(_HOURS)), told("GPU-hours")] = field(name="gpuHours")
    per: Annotated[float, Meta(gt=0, extra=written_as(LENGTH)), told("within so long, up to now")] = 604_800.0


class QuietFields(Struct, frozen=True, kw_only=True):
    """Hours in which a rule waits."""

    from_: Annotated[Minute, told("when they begin")] = field(name="from")
    to: Annotated[Minute, told("when they end; earlier than from is the day after")]
    zone: Annotated[str, Meta(extra=written_as(scalars.ZONE)), told("whose clocks show it")] = "UTC"
    days: Annotated[
        tuple[Annotated[str, Meta(extra=written_as(scalars.DAY))], ...],
        Meta(min_length=1, max_length=7),
        told("days on which they begin"),
    ] = scalars.DAYS


class RuleFile(Struct, frozen=True, kw_only=True):
    """A whole rule: when something lasts for a time, then something is done."""

    api_version: Annotated[Literal["mlops-desk/v1"], Meta(extra=written_as(Form(API_VERSION)))] = field(
        name="apiVersion"
    )
    kind: Annotated[Literal["Rule"], Meta(extra=written_as(Form("Rule")))]
    name: Annotated[str, Meta(extra=written_as(scalars.RULE)), told("what people call it")]
    when: Annotated[WhenFields, told("what it waits for")]
    for_: Annotated[Length, told("how long all of it lasts before it counts")] = field(default=0.0, name="for")
    then: Annotated[tuple[ActionFields, ...], Meta(min_length=1, max_length=_MOST_ACTIONS), told("what it does")]
    cooldown: Annotated[Length, told("fires at most once in so long, for each thing")] = 0.0
    budget: Annotated[BudgetFields, told("what its jobs may take")] | None = None
    quiet: Annotated[tuple[QuietFields, ...], Meta(max_length=_MOST_PARTS), told("hours in which it waits")] = ()

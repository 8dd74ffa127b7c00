"""Verbs about monitors of drift: what is watched, how it stands, and each of its windows.

On the command line they are ``drift monitors …`` and ``drift history``.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import (  # fmt: skip
    AbsolutePath,
    Length,
    Moment,
    Option,
    Pairs,
    Switch,
    Ticket,
    Who,
    changes,
    reads,
    reads_own,
)

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.drift.records.answers import MonitorPerformance
    from mlops_desk.drift.records.monitors import ColumnStory, JudgedWindow, MonitorStanding
    from mlops_desk.drift.records.rows import WindowRows

SUPPRESSED = Pairs("COLUMN=REASON", word="suppress")
RENAMED = Pairs("NOW=BEFORE", word="rename")
REAL_VALUES = Pairs("COLUMN=NA")
WEIGHTS = Pairs("COLUMN=WEIGHT")


class DriftMonitors(Protocol):
    """What is watched for drift; the desk proposes a monitor for each endpoint.

    A monitor is named by its name, or by the beginning of its id.
    """

    @reads
    def list(self, endpoint: str | None = None) -> "list_of[MonitorStanding]":
        """List monitors with how they stand, those that have turned first."""
        ...

    @reads
    def show(self, name: str) -> "MonitorStanding":
        """Show one monitor: its state, which columns have drifted since when, and what it watches."""
        ...

    @changes(timeout_seconds=300.0, why="it only watches, and belongs to who makes it")
    def create(
        self,
        name: str,
        endpoint: str | None = None,
        model: str | None = None,
        files: Annotated[str | None, AbsolutePath("PATH")] = None,
        database: str | None = None,
        run: str | None = None,
        query: str | None = None,
        time_column: str | None = None,
        reference: str = "training",
        reference_file: Annotated[str | None, AbsolutePath("FILE")] = None,
        pinned_from: Annotated[float | None, Moment()] = None,
        pinned_to: Annotated[float | None, Moment()] = None,
        rows: int | None = None,
        span: Annotated[float | None, Length("span")] = None,
        check_every: Annotated[float | None, Length("check-every")] = None,
        columns: str = "",
        suppressed: Annotated[Mapping[str, str] | None, SUPPRESSED] = None,
        renamed: Annotated[Mapping[str, str] | None, RENAMED] = None,
        targets: str = "",
        predictions: str = "",
        ids: str = "",
        needed: int = 2,
        of: int = 3,
        level: str = "alert",
        segment: str | None = None,
        importance: Annotated[Mapping[str, str] | None, WEIGHTS] = None,
        task: str | None = None,
        label: str | None = None,
        prediction: str | None = None,
        scores: str = "",
        positive: str | None = None,
        answers_file: Annotated[str | None, AbsolutePath("FILE")] = None,
        answers_from: Annotated[float | None, Moment()] = None,
        answers_to: Annotated[float | None, Moment()] = None,
        source: str | None = None,
        watermark: str | None = None,
        login: str | None = None,
        real_values: Annotated[Mapping[str, str] | None, REAL_VALUES] = None,
    ) -> "MonitorStanding":
        """Watch an endpoint's requests, files, a database's rows or a run's data set.

        Without --files, --database, --run or --source it is the request log of the endpoint. It is refused where
        endpoint, model, reference or one of the columns that it names does not exist. With --label the answers are
        scored as soon as feedback has that column: --prediction and --scores name what the model answered, where its
        answers have several columns, --answers-file or --answers-from and --answers-to labelled answers to hold them
        against.
        """
        ...

    @changes(timeout_seconds=300.0, who=Who.OWNER, before="show", of=("monitor", "name"))
    def configure(
        self,
        name: str,
        rows: int | None = None,
        span: Annotated[float | None, Length("span")] = None,
        check_every: Annotated[float | None, Length("check-every")] = None,
        reference: str | None = None,
        reference_file: Annotated[str | None, AbsolutePath("FILE")] = None,
        pinned_from: Annotated[float | None, Moment()] = None,
        pinned_to: Annotated[float | None, Moment()] = None,
        columns: str | None = None,
        suppressed: Annotated[Mapping[str, str] | None, SUPPRESSED] = None,
        renamed: Annotated[Mapping[str, str] | None, RENAMED] = None,
        needed: int | None = None,
        of: int | None = None,
        level: str | None = None,
        segment: str | None = None,
        importance: Annotated[Mapping[str, str] | None, WEIGHTS] = None,
        task: str | None = None,
        label: str | None = None,
        prediction: str | None = None,
        scores: str | None = None,
        positive: str | None = None,
        answers_file: Annotated[str | None, AbsolutePath("FILE")] = None,
        answers_from: Annotated[float | None, Moment()] = None,
        answers_to: Annotated[float | None, Moment()] = None,
        real_values: Annotated[Mapping[str, str] | None, REAL_VALUES] = None,
    ) -> "MonitorStanding":
        """Change a monitor; what is not given stays. A suppressed column with the reason "no" is watched again.

        One with "no" as its real value has none.

        With another reference its windows begin anew: what was held against the old one is no measure of the new. An
        empty --label ends the scoring of answers, an empty --segment that of segments.
        """
        ...

    @changes(who=Who.OWNER, timeout_seconds=7200.0, before="show", of=("monitor", "name"))
    def weigh(
        self,
        name: str,
        *,
        rows: int = 2000,
        repeats: int = 5,
        seed: int = 0,
        metric: str | None = None,
        permute: Annotated[bool, Switch()] = False,
        ticket: Annotated[str | None, Ticket()] = None,
    ) -> "MonitorStanding":
        """Find what its columns mean to its model, in a container of the model's own, and weigh them by it.

        Trees, boosters and linear models say it themselves. Of any other, and with --permute or --metric, the columns
        of the reference's rows are shuffled one at a time: what that costs in the score, or changes in the answers
        where no row has a label, is what a column means. It is done only when somebody asks.
        """
        ...

    @changes(who=Who.OWNER, before="show", of=("monitor", "name"))
    def remove(self, name: str) -> "MonitorStanding":
        """Forget a monitor with its windows. One that the desk proposed is not proposed again."""
        ...

    @changes(who=Who.OWNER, before="show", of=("monitor", "name"))
    def pause(self, name: str) -> "MonitorStanding":
        """Look no more, and end its alert, until it is resumed."""
        ...

    @changes(who=Who.OWNER, before="show", of=("monitor", "name"))
    def resume(self, name: str) -> "MonitorStanding":
        """Look again, from the next window on."""
        ...

    @changes(timeout_seconds=300.0, before="show", why="it only judges windows that are full, earlier than their turn")
    def check(self, name: str) -> "MonitorStanding":
        """Look now, whatever the schedule says."""
        ...

    @reads
    def history(
        self,
        name: str,
        since: Annotated[float | None, Moment()] = None,
        until: Annotated[float | None, Moment()] = None,
        limit: Annotated[int, Option("N", "the newest so many, 1 to 10000")] = 100,
    ) -> "list_of[JudgedWindow]":
        """List a monitor's windows as they were judged, oldest first, with verdict and score of each column."""
        ...

    @reads
    def story(
        self,
        name: str,
        column: str,
        since: Annotated[float | None, Moment()] = None,
        until: Annotated[float | None, Moment()] = None,
    ) -> "ColumnStory":
        """Tell of one column how it went: quantiles or shares of each window, beside the reference's."""
        ...

    @reads_own(before="show", of=("monitor", "name"))
    def rows(
        self,
        name: str,
        window: str,
        limit: Annotated[int, Option("N", "the first so many, 1 to 1000")] = 100,
    ) -> "WindowRows":
        """List the rows of a window as its file has them now; of an endpoint they are in endpoints requests."""
        ...

    @reads
    def performance(
        self,
        name: str,
        since: Annotated[float | None, Moment()] = None,
        until: Annotated[float | None, Moment()] = None,
        limit: Annotated[int, Option("N", "the newest so many, 1 to 10000")] = 100,
    ) -> "MonitorPerformance":
        """Tell how good the answers were in each window: figures with intervals, what was expected, labels that lack.

        Labels come by request id (endpoints feedback); a window is scored again when some come late.
        """
        ...

    @reads
    def recompute(self, window_id: str) -> "JudgedWindow":
        """Judge a window again, by its stored sketches, reference and options; it stays as it is listed."""
        ...

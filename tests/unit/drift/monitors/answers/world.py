"""Doubles for scored answers: a log with its feedback as files, judged windows over it, and the worker in this process."""

import math

import numpy as np

from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.monitors.answers import worker
from mlops_desk.drift.monitors.answers.baseline_store import AnswersShelf
from mlops_desk.drift.monitors.answers.repository import AnswersBook
from mlops_desk.drift.monitors.answers.watch import AnswersWatch
from mlops_desk.drift.monitors.repository import MonitorBook
from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.drift.records.monitors import JudgedWindow, Monitor, WindowRule
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.kit.base import wire
from mlops_desk.kit.storage.request_log.feedback import Feedback, write_feedback
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow

BEGIN = 1_760_000_000.0
ROWS = 200
FEATURES = (LoggedFeature("x", "double"),)
COLUMNS = AnswerColumns("churned", "said", ("p",), positive="1")


class Answered:
    """A monitor over a log. ``rows`` keeps what turned out of each request, by its id."""

    def __init__(self, folder, state, columns=COLUMNS, reference=True, rows=ROWS, reference_rows=800):
        self.folder = folder
        self.some = np.random.default_rng(11)
        self.file = folder / "good.csv"
        if reference:
            self.file.write_text(self.reference(reference_rows), encoding="utf-8")
        self.monitor = Monitor(
            "m", "churn", Source(SourceKind.LOG, "churn"), endpoint="churn", model="churn/1", window=WindowRule(rows=rows),
            answers=columns, answers_reference=Reference(ReferenceKind.FILE, path=str(self.file)),
        )  # fmt: skip
        self.book = MonitorBook(state.monitors, state.drift_windows)
        self.answers = AnswersBook(state.drift_answers)
        self.shelf = AnswersShelf(folder / "answers")
        self.truth = {}
        self.asked = []
        self.fails = None
        self.n = self.stamp = 0
        self.recorded = {}
        self.watch = self.again()

    def again(self):
        """Another agent on the same files."""
        place = LogPlace(str(self.folder / "log"), (1,))
        return AnswersWatch(
            self.book, self.answers, self.shelf, lambda _monitor: place, lambda _monitor: self.file, self.run,
            record=self.record,
        )  # fmt: skip

    def record(self, series, points):
        self.recorded.setdefault((series.kind, series.key, series.metric), []).append([*points])

    def run(self, module, request, seconds):
        assert module == worker.__name__
        self.asked.append("keep" if "keep" in request else "score")
        if self.fails is not None:
            raise self.fails
        return worker.answer(wire.loads(wire.dumps(request), dict))

    def reference(self, n):
        lines = [f"{truth},{said},{p:.4f},{x:.4f}" for x, p, said, truth in self.drawn(n, 0.0)]
        return "churned,said,p,x\n" + "\n".join(lines) + "\n"

    def drawn(self, n, wrong):
        """Draw rows; a share of the labels is turned round: the same inputs have other labels then."""
        for x in self.some.normal(0, 2, n):
            p = 1 / (1 + math.exp(-x))
            truth = int(self.some.random() < p)
            yield x, p, int(p > 0.5), 1 - truth if self.some.random() < wrong else truth

    def traffic(self, *wrongs, rows=ROWS, late=0):
        """Log a window for each share of wrong labels, and have it judged."""
        for wrong in wrongs:
            first = BEGIN + self.n
            logged = []
            for x, p, said, truth in self.drawn(rows, wrong):
                name = f"r{self.n:07d}"
                self.truth[name] = truth
                logged.append(LoggedRow(name, BEGIN + self.n, 1, 200, 0.1, 0, None, {"x": x}, {"said": said, "p": p}))
                self.n += 1
            self.log(logged)
            self.judge(first, BEGIN + self.n - 1, rows)

    def log(self, logged):
        for hour in sorted({hour_of(row.received_at) for row in logged}):
            self.stamp += 1
            some = [row for row in logged if hour_of(row.received_at) == hour]
            write_part(some, FEATURES, part_path(self.folder / "log", self.stamp, hour))

    def judge(self, start, end, rows, model="churn/1"):
        number = 1 + max((one.number for one in self.book.recent("m")), default=0)
        self.book.add(
            JudgedWindow(f"w{number:04d}", "m", start, end, rows, Verdict.OK, False, {}, model=model, number=number)
        )

    def label(self, names, given_at=None, **changed):
        self.stamp += 1
        told = [
            Feedback(name, None, given_at or float(self.stamp), {"churned": changed.get(name, self.truth[name])})
            for name in names
        ]
        write_feedback(self.folder / "log", told, self.stamp)

    def look(self):
        self.watch.look(self.monitor)
        return self.watch.standing(self.monitor)

    def windows(self):
        return self.answers.all("m")

    def performance(self, **span):
        return self.watch.performance(self.monitor, span.get("since"), span.get("until"), span.get("limit", 100))

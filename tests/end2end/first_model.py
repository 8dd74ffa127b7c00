"""The walk of README's first model: its files and commands as README has them, then 2,000 requests, drift, a retraining.

The test and the script that takes pictures (`tests/screens/walk.py`) go the same steps. Only the image's recipe is
another one, for no registry and no index is there: the packages that README's installs must be in it.
"""

import http.client
import json
import re
import shlex
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end2end.desk import Desk
from tests.wheels import MODEL_NEEDS

README = Path(__file__).parents[2] / "README.md"
SETTINGS = {"jobs.mount_roots": "~ /tmp", "drift.window_rows": "250", "drift.check_seconds": "5"}
LABELLED = 100
_FINAL = frozenset({"promoted", "rejected", "not_better", "failed", "unknown", "cancelled", "already_trained"})


@dataclass(frozen=True)
class Example:
    """What README lays before a reader: three files, and the commands that follow."""

    dockerfile: str
    program: str
    job: str
    commands: tuple[tuple[str, ...], ...]


def example(text: str) -> Example:
    """Read the first model out of README."""
    part = text.split("\n## A first model\n", 1)[1].split("\n## ", 1)[0]
    dockerfile, program, job, commands = re.findall(r"^```\w*\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    lines = (shlex.split(line, comments=True) for line in commands.splitlines())
    return Example(dockerfile, program, job, tuple(tuple(words[1:]) for words in lines if words[0] == "mlops-desk"))


@dataclass
class Walk:
    """The walk of one person with one agent; what came of each step stays for whoever looks at it."""

    desk: Desk
    folder: Path
    image: str
    job: dict[str, Any] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=dict)
    monitor: dict[str, Any] = field(default_factory=dict)
    rule: dict[str, Any] = field(default_factory=dict)
    seen_rule: dict[str, Any] = field(default_factory=dict)
    retraining: dict[str, Any] = field(default_factory=dict)
    answered: int = 0

    def steps(self) -> Iterator[tuple[str, str]]:
        """Go on to the next thing that is to be seen: its name, and the address of its page."""
        shown = example(README.read_text(encoding="utf-8"))
        self._lay(shown)
        submit, logs, runs, promote, deploy, attempt = shown.commands
        self.job = self._do(submit)
        self._do(logs)
        self.job = self.desk.json("jobs", "show", self.job["id"])
        yield "job", f"jobs/{self.job['id']}"

        self._do(runs)
        self._do(promote)
        self.endpoint = self._do(deploy)
        self._do(attempt)
        yield "endpoint", f"endpoints/{self.endpoint['name']}"

        self.ask(100, seed=1)
        self.monitor = self._wait_for("unknown")
        yield "monitor-asks", f"drift/{self.monitor['monitor']['id']}"

        rule = ("--model", "iris", "--metric", "accuracy", "--endpoint", "iris", "--label", "kind")
        self.rule = self.desk.json("rules", "create", "fresh-iris", *rule)
        self.seen_rule = self.rule_stands(bool)
        yield "rule-lacks", "automations/rule:fresh-iris"

        self.desk.json(*shlex.split(self.monitor["command"])[1:])
        self.monitor = self._wait_for("waiting", "Waits for its reference")
        yield "monitor-waits", f"drift/{self.monitor['monitor']['id']}"

        self.ask(900, seed=2)
        self.monitor = self._wait_for("fine")
        self.seen_rule = self.rule_stands(lambda missing: not missing)
        yield "monitor-fine", f"drift/{self.monitor['monitor']['id']}"

        self.ask(1000, seed=3, longer=1.5)
        self.monitor = self._wait_for("turned")
        yield "monitor-drift", f"drift/{self.monitor['monitor']['id']}"

        found = self.desk.wait(lambda: self.desk.json("pipelines", "list", "--rule", "fresh-iris"), len)
        self.retraining = self.desk.wait(
            lambda: self.desk.json("pipelines", "show", found[0]["id"]), lambda run: run["state"] in _FINAL
        )
        yield "retraining", f"automations/pipeline:{self.retraining['id']}"

    def ask(self, rows: int, seed: int, longer: float = 0.0) -> None:
        """Send so many requests of a row each; the petals of these flowers are ``longer`` than they were.

        What the last ones were is told after them, as labels come.
        """
        import numpy as np
        from sklearn.datasets import load_iris

        features, kind = load_iris(as_frame=True, return_X_y=True)
        some = np.random.default_rng(seed)
        picked = some.integers(0, len(features), rows)
        asked = features.iloc[picked] + some.normal(0.0, 0.05, (rows, len(features.columns)))
        asked["petal length (cm)"] += longer
        url = urllib.parse.urlsplit(self.endpoint["url"])
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=120)
        for number, row in enumerate(asked.to_dict("records")):
            headers = {
                "Content-Type": "application/json", "Authorization": f"Bearer {self.endpoint['token']}",
                "X-Request-Id": f"walk-{seed}-{number}",
            }  # fmt: skip
            connection.request("POST", url.path, json.dumps({"dataframe_records": [row]}), headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert answer.status == http.client.OK, told
            self.answered += len(told["predictions"])
        connection.close()
        if longer:
            last = range(rows - LABELLED, rows)
            lines = [f"walk-{seed}-{number},0,{int(kind.iloc[picked[number]])}" for number in last]
            (self.folder / "labels.csv").write_text("\n".join(["request_id,row,kind", *lines]))
            self.desk.json("endpoints", "feedback", "iris", str(self.folder / "labels.csv"))

    def _lay(self, shown: Example) -> None:
        """Write the example's files into a folder; all that its image installs is in the one that takes its place."""
        wanted = re.search(r"^RUN pip install (.+)$", shown.dockerfile, re.MULTILINE)
        assert wanted is not None, shown.dockerfile
        assert set(wanted[1].split()) <= set(MODEL_NEEDS), "the image of trainings lacks what README's installs"
        (self.folder / "Dockerfile").write_text(f"FROM {self.image}\n")
        (self.folder / "train.py").write_text(shown.program)
        (self.folder / "job.yaml").write_text(shown.job)

    def _do(self, words: tuple[str, ...]) -> Any:
        """Run a command of README, with the file and the id that it means."""
        known = {"job.yaml": str(self.folder / "job.yaml"), "ID": str(self.job.get("id"))}
        return self.desk.json(*(known.get(word, word) for word in words))

    def rule_stands(self, until: Callable[[list[str]], bool]) -> dict[str, Any]:
        """Wait until what the rule lacks is as wanted, and return how it stands."""
        show = lambda: self.desk.json("rules", "show", "fresh-iris")  # noqa: E731 - it is asked again and again
        return self.desk.wait(show, lambda rule: until(rule["missing"]))  # type: ignore[no-any-return]  # JSON

    def _wait_for(self, state: str, says: str = "") -> dict[str, Any]:
        """Wait until the endpoint's monitor stands so, and says so."""

        def stands() -> dict[str, Any]:
            found = self.desk.json("drift", "monitors", "list")
            return next((one for one in found if one["monitor"]["name"] == "iris"), {"state": None})

        return self.desk.wait(stands, lambda one: one["state"] == state and says in one["sentence"])  # type: ignore[no-any-return]  # JSON

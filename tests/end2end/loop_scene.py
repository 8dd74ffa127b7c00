"""What the tests of the whole loop stand on: tables of last year and of now, jobs that learn from them, and callers.

Two tables are ones that scikit-learn ships. Now means that a scanner was replaced: one column reads higher, and says so
in another one. A model of last year is wrong about that, one that has seen both is not.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.end2end.desk import Desk

FINAL = frozenset({"succeeded", "failed", "cancelled", "unknown"})
WAITS = frozenset({"running", "paused", "waiting_for_approval"})
WINDOW = 50
SPEC = """
apiVersion: mlops-desk/v1
kind: Job
name: train-{model}
image: {image}
command: [python3, /code/train_loop.py, {model}, {label}, {kind}]
env: {{OMP_NUM_THREADS: "1"}}
resources: {{cpus: 2, memory: 2GiB}}
mounts:
  - {{source: {code}, target: /code, mode: ro}}
  - {{source: {data}, target: /data, mode: ro}}
mlflow: {{experiment: loop}}
"""


@dataclass(frozen=True)
class Story:
    """A model, what its rows looked like when it was made, and what they look like now."""

    model: str
    label: str
    kind: str
    before: Any
    now: Any

    def lay(self, folder: Path, *, keeps_old: bool = True) -> None:
        """Write the data of last year to ``old``, and those of now to ``new``, with what was there before or without."""
        import pandas as pd

        half, now = len(self.before) * 2 // 3, len(self.now) // 2
        old = (self.before.iloc[:half], self.before.iloc[half:])
        new = (self.now.iloc[:now], self.now.iloc[now:])
        trained = pd.concat([old[0], new[0]]) if keeps_old else new[0]
        for name, train, test in (("old", *old), ("new", trained, new[1])):
            (folder / name).mkdir(parents=True, exist_ok=True)
            train.to_csv(folder / name / "train.csv", index=False)
            test.to_csv(folder / name / "test.csv", index=False)

    @property
    def unseen(self) -> Any:
        """The rows of now that no training gets."""
        return self.now.iloc[len(self.now) // 2 :]

    def records(self, rows: Any) -> list[dict[str, Any]]:
        """Return rows as a caller sends them: without the label, what lacks as null."""
        return json.loads(rows.drop(columns=self.label).to_json(orient="records"))  # type: ignore[no-any-return]  # JSON


def cells(model: str, kind: str, higher: float) -> Story:
    """569 rows of cell nuclei, of which the later ones come from scanner b, which measures ``higher``."""
    import numpy as np
    import pandas as pd
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    some = np.random.default_rng(3)
    table = pd.DataFrame({
        "radius": frame["mean radius"],
        "texture": frame["mean texture"],
        "smoothness": frame["mean smoothness"].where(some.random(len(frame)) > 0.05),
        "worst_radius": frame["worst radius"],
        "concavity": frame["worst concave points"],
        "scanner": some.choice(["a", "b"], len(frame), p=[0.8, 0.2]),
        "is_large": frame["mean area"] > 700,
        "seen": (pd.Timestamp("2026-01-01") + pd.to_timedelta(some.integers(0, 300, len(frame)), unit="D")).astype(str),
        "benign": frame["target"],
    }).sample(frac=1.0, random_state=1)  # fmt: skip
    later = table.iloc[250:]
    return Story(
        model, "benign", kind, table.iloc[:250], later.assign(worst_radius=later["worst_radius"] + higher, scanner="b")
    )


def patients() -> Story:
    """442 patients and how their illness went on; now each of them is seen nine times, and weighs more."""
    import numpy as np
    import pandas as pd
    from sklearn.datasets import load_diabetes

    table = load_diabetes(as_frame=True).frame.sample(frac=1.0, random_state=2)
    some = np.random.default_rng(4)
    later = pd.concat([table.iloc[240:]] * 9).sort_index(kind="stable")  # nobody is in both halves
    later = later.assign(bmi=later["bmi"] + 0.1, target=later["target"] + 80.0 + some.normal(0, 5, len(later)))
    return Story("patients", "target", "growing", table.iloc[:240], later)


@contextmanager
def agent(folder: Path, serving: dict[str, str], **more: str) -> Iterator[Desk]:
    """Give an agent that looks for drift each five seconds and leads canaries fast; what it served goes with it."""
    (folder.parent / "tmp").mkdir()
    desk = Desk(folder, {"TMPDIR": str(folder.parent / "tmp"), "MLOPS_DESK_LEASE_DIR": str(folder.parent / "leases")})
    settings = {
        "jobs.mount_roots": "~ /tmp", "drift.window_rows": str(WINDOW), "drift.check_seconds": "5",
        "serving.canary_bake_seconds": "2", "serving.canary_requests": "20", "serving.canary_times_latency": "100",
        **serving, **more,
    }  # fmt: skip
    for key, value in settings.items():
        desk.json("settings", "set", key, value)
    try:
        yield desk
    finally:
        for endpoint in desk.json("endpoints", "list"):
            desk.json("endpoints", "remove", endpoint["name"])
        desk.stop()


def trained(desk: Desk, folder: Path, story: Story, image: str) -> dict[str, Any]:
    """Train a story's model on the data of last year by a job, and make it champion; return the job."""
    (folder / "code").mkdir()
    shutil.copy(Path(__file__).with_name("train_loop.py"), folder / "code")
    file = folder / f"{story.model}.yaml"
    words = {"model": story.model, "label": story.label, "kind": story.kind, "image": image}
    file.write_text(SPEC.format(**words, code=folder / "code", data=folder / "old"))
    job = desk.json("jobs", "submit", str(file))
    job = desk.wait(lambda: desk.json("jobs", "show", job["id"]), lambda found: found["state"] in FINAL)
    assert job["state"] == "succeeded", desk.json("jobs", "logs", job["id"])
    desk.json("models", "promote", story.model, "--alias", "champion", "--version", "1")
    return job  # type: ignore[no-any-return]  # JSON


def ask(endpoint: dict[str, Any], rows: list[dict[str, Any]], name: str | None = None) -> list[Any]:
    """Ask an endpoint; ``name`` is the id of the request. Returns its answers."""
    body = json.dumps({"dataframe_records": rows}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint['token']}"}
    if name is not None:
        headers["X-Request-Id"] = name
    request = urllib.request.Request(endpoint["url"], body, headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["predictions"]  # type: ignore[no-any-return]  # JSON


class Callers:
    """Ask an endpoint row by row as long as they are there, whatever becomes of the agent; errors are counted."""

    def __init__(self, endpoint: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._call, args=(endpoint, rows), daemon=True)

    def _call(self, endpoint: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        while not self._end.is_set():
            for row in rows:
                if self._end.is_set():
                    return
                try:
                    ask(endpoint, [row])
                    self.answered += 1
                except (urllib.error.URLError, OSError) as error:
                    self.failed.append(str(error))
                    time.sleep(0.1)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(130)


class Doomed:
    """An agent that stands still in a step where it is told to, and is killed there; ``folder`` is for its marks."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk = desk
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, step: str, when: str = "before") -> Path:
        """Be an agent that will stand still; returns the file that says that it does."""
        mark = self._folder / f"{step}.{when}"
        mark.unlink(missing_ok=True)
        words = (str(self._desk.folder), step, when, str(mark))
        with (self._folder / "doomed.out").open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.end2end.doomed_loop", *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self._desk.whole_environment(),
            )  # fmt: skip
        return mark

    def answers(self) -> None:
        """Wait until commands reach it: one that is asked before would start another agent."""
        assert self._process is not None
        pid = self._process.pid
        self._desk.wait(lambda: self._desk.json("agent", "status").get("pid"), lambda found: found == pid)

    def kill(self) -> None:
        """End it by -9, wherever it is."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(240)

    def kill_in(self, *names: str) -> None:
        """Kill the agent that is there, and each after it whose step is done and not written down as such."""
        for name in names:
            self.kill()
            self.stands(self.start(name, "after"))

    def stands(self, mark: Path) -> None:
        """Wait until it stands still in a step that is under way."""
        self._desk.wait(mark.exists, bool)
        self._desk.wait(mark.read_text, bool)
        assert mark.read_text() == "running running", mark.name


def pipeline(desk: Desk, rule: str) -> dict[str, Any]:
    """Return the newest run of a rule."""
    found = desk.wait(lambda: desk.json("pipelines", "list", "--rule", rule), len)
    return desk.json("pipelines", "show", found[0]["id"])  # type: ignore[no-any-return]  # JSON


def settled(desk: Desk, run_id: str, seconds: float = 400) -> dict[str, Any]:
    """Return a run once it waits for a person or is over."""
    show = lambda: desk.json("pipelines", "show", run_id)  # noqa: E731 - two uses of one line
    return desk.wait(show, lambda run: run["state"] not in {"running", "paused"}, seconds)  # type: ignore[no-any-return]  # JSON


def steps(run: dict[str, Any]) -> dict[str, str]:
    """Return how each step of a run stands."""
    return {step["name"]: step["state"] for step in run["steps"]}


def evidence(run: dict[str, Any], step: str) -> dict[str, Any]:
    """Return what a step has found."""
    return next(one["evidence"] for one in run["steps"] if one["name"] == step)  # type: ignore[no-any-return]  # JSON

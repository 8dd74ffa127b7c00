"""Take pictures of every page, dark and light, at 1280x800 and at twice the scale.

    python tests/screens/take.py OUT [--agent] [--only PAGE[/THING] ...] [--size WxH] [--scale 1,2] [--state full|empty|none]

Starts the real window under its own Xvfb (or the display that is there) with the scripted double, or
with ``--agent`` with the agent of the chosen data folder, goes to each page (and chooses a thing on it), waits until
it has settled and grabs it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTLE_SECONDS = 2.5
NUMBERS_SECONDS = 40.0


def main() -> int:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.child:
        return _child(options)
    display, xvfb = _display()
    try:
        status = 0
        for scale in options.scale.split(","):
            environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "QT_SCALE_FACTOR": scale}
            environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "ui")])
            with tempfile.TemporaryDirectory(prefix="desk-screens-") as settings:
                environment["XDG_CONFIG_HOME"] = settings
                status |= subprocess.run(
                    [sys.executable, __file__, *sys.argv[1:], "--child", scale], env=environment, check=False
                ).returncode
        return status
    finally:
        if xvfb is not None:
            xvfb.terminate()
            xvfb.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--agent", action="store_true", help="use a real agent instead of the double")
    parser.add_argument("--demo", action="store_true", help="with --agent: the simulated workstation")
    parser.add_argument("--data-dir")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--scale", default="1,2")
    parser.add_argument("--looks", default="dark,light")
    parser.add_argument("--state", default="full", choices=["full", "empty", "nogpu", "loading", "error", "lost"])
    parser.add_argument("--then", type=float, default=0.0, metavar="SECONDS", help="so long before now")
    parser.add_argument("--calm", action="store_true", help="without the welcome and without notices")
    parser.add_argument("--job", help="of the Jobs page: the job that is chosen")
    parser.add_argument("--tab", help="of the Jobs, Models or Runs page: the tab that is shown")
    parser.add_argument("--search", help="of the Models page: what is typed into its box")
    parser.add_argument(
        "--compare", action="store_true", help="of the Models page: the chosen version and the champion"
    )
    parser.add_argument("--tick", type=int, default=0, help="of the Runs page: tick so many")
    parser.add_argument("--filter", default="", help="of the Runs page: what is typed there")
    parser.add_argument("--no-engine", action="store_true", help="while no container engine answers (not with --agent)")
    parser.add_argument("--states", action="store_true", help="with an endpoint in each state (not with --agent)")
    parser.add_argument("--sweep", action="store_true", help="with a sweep among the jobs (not with --agent)")
    parser.add_argument(
        "--form",
        action="store_true",
        help="of the Jobs or the Models page: the form of a new job or of an alias, of the registries the clean-up",
    )
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _display() -> tuple[str, subprocess.Popen[bytes] | None]:
    reader, writer = os.pipe()
    xvfb = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "2700x1800x24", "-nolisten", "tcp"],
        pass_fds=[writer], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as answer:
        return f":{answer.readline().strip()}", xvfb


def _connect(options: argparse.Namespace):
    if options.agent:
        from mlops_desk.kit.api.client import connect
        from mlops_desk.kit.base.disk.agent_address import AgentAddress
        from mlops_desk.kit.base.disk.paths import choose_root

        root = choose_root(options.data_dir)
        address = AgentAddress.of_folder(root / "demo" if options.demo else root)
        return lambda given_up: connect(address, demo=options.demo, given_up=given_up)
    from doubles import Double

    from mlops_desk.kit.base.errors import Unavailable

    double = Double(empty=options.state in {"empty", "nogpu"}, gpus=0 if options.state == "nogpu" else 8)
    if options.sweep:
        _add_sweep(double)
    if options.states:
        _put_states(double)
    if options.no_engine:
        _take_engine(double)
    services = (
        "jobs", "models", "endpoints", "drift", "monitors", "rules", "pipelines", "approvals", "labels", "settings", "incidents", "alerts", "gpus", "runs",
    )  # fmt: skip
    if options.state == "loading":
        double.frozen.update(services)
    if options.state == "error":
        error = Unavailable(
            "The container engine does not answer (no reply within 5 s).", "Start it: sudo systemctl start docker"
        )
        double.failing.update(dict.fromkeys(services, error))
    return double.connect


def _take_engine(double) -> None:
    """Let no engine answer, and one job wait for it."""
    from doubles import NOW, job_record

    from mlops_desk.engines.records.engine import FoundEngine
    from mlops_desk.jobs.records.job import JobState
    from mlops_desk.jobs.records.reason import Reason
    from mlops_desk.kit.base.errors import Hint
    from mlops_desk.kit.records.agent import Check

    text, hint = "No container engine answers at unix:///run/docker.sock.", Hint("sudo systemctl start docker")
    double.found_engines = [
        FoundEngine("unix:///run/docker.sock", "settings", "absent", ("local",), text=text, hint=hint)
    ]
    double.checks[0] = Check("container engine", "problem", text, "sudo systemctl start docker")
    reason = Reason("engine_unavailable", text, hint=hint)
    job = job_record("b27d8e9f0112", "train-digits", JobState.BLOCKED, submitted_at=NOW - 40, reason=reason)
    double.jobs_by_id = {job.id: job}


def _put_states(double) -> None:
    """Let there be an endpoint in each state, and at each stage on the way of a revision."""
    from dataclasses import replace

    from doubles import NOW, endpoint_record

    from mlops_desk.jobs.records.reason import Reason
    from mlops_desk.serving.records.endpoint import (
        AliasFollowing,
        DeployStep,
        EndpointRevision,
        EndpointState,
        LatencyPercentiles,
        LentGpus,
        RevisionState,
        Traffic,
    )
    from mlops_desk.serving.records.rollout import Rollout, RolloutGuard

    def steps(last: str) -> tuple[DeployStep, ...]:
        told = {
            "resolve": "digits/3 is meant by champion", "fetch": "the model's files, 48 kB",
            "build": "#8 RUN pip install -r /requirements.txt", "start": "the container mld-ep-r3 is started",
            "probe": "it answers /ping with 503 so far",
        }  # fmt: skip
        names = list(told)[: list(told).index(last) + 1]
        return tuple(
            DeployStep(name, told[name], NOW - 60 + 9 * at, None if name == last else 8.4)
            for at, name in enumerate(names)
        )

    def beside(name: str, percent: float, state: RevisionState, **more):
        live = endpoint_record(name, EndpointState.LIVE, load=Traffic(41.7, 0.0032, 0.0094, 0.0, 183_220, 12),
                               latency=LatencyPercentiles(0.0032, 0.0094, 0.021), errors={}, ready=1)  # fmt: skip
        old = EndpointRevision(2, live.model, RevisionState.LIVE, 100 - percent, "training", NOW - 90_000, is_kept=True)
        new = EndpointRevision(3, replace(live.model, version="4"), state, percent, "training", NOW - 300, is_kept=True)
        rollout = Rollout(3, percent, (25.0, 50.0, 100.0), RolloutGuard(), NOW - 120)
        share = {"2": 1 - percent / 100, "3": percent / 100} if percent else {"2": 1.0}
        return replace(live, revisions=(old, new), rollout=rollout, traffic=share, **more)

    retraining = AliasFollowing("3", NOW - 9000, led_by="6da15932032f5ec889a435e4a3aafa78")
    sleeping = endpoint_record("asleep", EndpointState.ASLEEP, asleep_since=NOW - 4000)
    found = [
        endpoint_record("building", EndpointState.BUILDING, steps=steps("build")),
        endpoint_record("starting", EndpointState.STARTING, steps=steps("start")),
        endpoint_record("probing", EndpointState.STARTING, steps=steps("probe")),
        beside("shadow", 0.0, RevisionState.SHADOW, follows="champion", following=retraining),
        beside("canary", 5.0, RevisionState.CANARY),
        endpoint_record("live", EndpointState.LIVE, load=Traffic(3.1, 0.01, 0.02, 0.0, 9120, 0), errors={}, ready=1),
        sleeping,
        replace(sleeping, name="lent", lent=LentGpus(("GPU-0",), NOW - 900)),
        endpoint_record("unhealthy", EndpointState.UNHEALTHY, reason=Reason("hangs", "It has not answered for 30 s.")),
        endpoint_record("failed", EndpointState.FAILED, reason=Reason(
            "build_failed", "scikit-learn==1.9.9 is not in the index.", "ERROR: No matching distribution found",
            "Correct the model's requirements.txt, then deploy again.")),
        endpoint_record("stopped", EndpointState.STOPPED),
    ]  # fmt: skip
    double.endpoints_by_name = {one.name: one for one in found}


def _add_sweep(double) -> None:
    """Add a sweep that is half done."""
    from dataclasses import replace

    from doubles import NOW, job_record

    from mlops_desk.jobs.records.job import JobState

    states = [JobState.SUCCEEDED] * 7 + [JobState.FAILED, JobState.RUNNING, JobState.RUNNING] + [JobState.QUEUED] * 6
    for number, state in enumerate(states):
        began = None if state is JobState.QUEUED else NOW - 5000 + 300 * number
        job = job_record(f"tune{number:02d}", "tune-lr", state, group="tune00", group_index=number,
                         submitted_at=NOW - 5400, started_at=began, position=3 + number if began is None else None,
                         ended_at=began + 280 if began is not None and state.is_final else None)  # fmt: skip
        params = {"lr": f"{0.1 / (number + 1):.3g}", "depth": str(4 + number % 3), "index": str(number)}
        double.jobs_by_id[job.id] = replace(job, spec=replace(job.spec, params=params))
        if state is JobState.SUCCEEDED:
            double.reached[job.id] = 0.88 + 0.013 * ((number * 5) % 7)


def _child(options: argparse.Namespace) -> int:
    import faulthandler

    faulthandler.enable()
    from PySide6.QtWidgets import QApplication

    from mlops_desk.desk.window.app import Program
    from mlops_desk.desk.window.catalogue import PAGES
    from mlops_desk.kit.base.disk.agent_address import AgentAddress
    from mlops_desk.kit.window.live.context import UiOptions
    from mlops_desk.kit.window.look import theme

    scale = options.child
    application = QApplication(["mlops-desk"])
    program = Program(
        application, _connect(options), UiOptions(AgentAddress.parse("/tmp"), demo=not options.agent or options.demo)
    )
    if options.calm:
        from mlops_desk.desk.window.overview import notes

        program.context.memory.setValue(notes._WELCOMED, 1)
    program.start()
    width, height = (int(part) for part in options.size.split("x"))
    program.window.resize(width, height)
    _wait_for_numbers(application, program, options)
    if options.then:
        program.context.axis.move(-options.then)
    for page in options.only or [spec.id for spec in PAGES]:
        place, _, thing = page.partition("/")
        program.window.open_thing(place, thing or None)
        _spin(application, SETTLE_SECONDS)
        arrange = {"jobs": _arrange_jobs, "models": _arrange_models, "settings": _arrange_settings}.get(place)
        over = arrange(application, program, options) if arrange is not None else None
        if page.startswith("drift") and options.state == "full":
            over = _arrange_drift(application, program, options)
        if place == "automations":
            over = _arrange_automations(application, program, options)
        if page.startswith("runs") and options.state == "full":
            _arrange_runs(application, program, options)
        if options.state == "lost":
            program.bridge.client.break_off()
            program.bridge.client.failing["events"] = program.bridge.client.failing.get("events") or _gone()
            _spin(application, 1.0)
        for look in options.looks.split(","):
            theme.apply(application, dark=look == "dark")
            if options.calm:
                program.window.notices.hide()
            _spin(application, 0.4)
            state = "" if options.state == "full" else f"-{options.state}"
            state += "-then" if options.then else ""
            name = "-".join(
                part
                for part in (
                    page.replace("/", "-") + state,
                    options.tab,
                    "filter" if options.filter else "",
                    "form" if over else "",
                    "compare" if options.compare else "",
                    "search" if options.search else "",
                    look,
                )
                if part
            )
            (over or program.window).grab().save(str(options.out / f"{name}-x{scale}.png"))
    program.stop()
    return 0


def _arrange_automations(application, program, options: argparse.Namespace):
    """Turn to a tab of the chosen rule; return the form that is open over the page."""
    page = program.window.page()
    if options.tab:
        page.rules.list.select("warn-hot-gpus")
        page.rules.pane.tabs.choose(options.tab)
    if options.form:
        page.rules.acts.create()
    _spin(application, SETTLE_SECONDS)
    return application.activeModalWidget() if options.form else None


def _arrange_runs(application, program, options: argparse.Namespace) -> None:
    """Type a filter, tick runs, and turn to a tab."""
    page = program.window.page()
    page.bar.filter.show_filter(options.filter)
    _spin(application, SETTLE_SECONDS)
    for place in range(options.tick):
        page.table.tick(place)
    if options.tab:
        page.right.tabs.choose(options.tab)
    _spin(application, SETTLE_SECONDS)


def _arrange_jobs(application, program, options: argparse.Namespace):
    """Choose a job and a tab of it; return the form that is open over the page."""
    page = program.window.page()
    if options.job:
        page.reveal(options.job)
    if options.tab:
        page.pane.tabs.choose(options.tab)
    if options.form:
        page.submit()
    _spin(application, SETTLE_SECONDS)
    return application.activeModalWidget() if options.form else None


def _arrange_models(application, program, options: argparse.Namespace):
    """Choose a tab, search, compare; return the form that is open over the page."""
    page = program.window.page()
    if options.tab:
        page.detail.tabs.choose(options.tab)
    if options.search:
        page.search.field.setText(options.search)
    if options.compare:
        page.detail.compare.emit()
    if options.form:
        page.acts.set_alias()
    _spin(application, SETTLE_SECONDS)
    return application.activeModalWidget() if options.form else None


def _arrange_drift(application, program, options: argparse.Namespace):
    """Look into a column, drawn in a mode (``--tab COLUMN[:MODE]``), or turn to a tab; return an open form."""
    page = program.window.page()
    from mlops_desk.drift.window.monitors.pane import TABS

    pane = page.monitors.pane
    if options.tab in dict(TABS):
        pane.tabs.choose(options.tab)
    elif options.tab:
        column, _, mode = options.tab.partition(":")
        pane.open_column(column)
        pane.looking.pane.modes.choose(mode or "shares")
    if options.form:
        page.monitors.acts.ask_to_edit()
    _spin(application, SETTLE_SECONDS)
    return application.activeModalWidget() if options.form else None


def _arrange_settings(application, program, options: argparse.Namespace):
    """Of the registries: look the store over, or show what a clean-up would take."""
    page = program.window.page()
    if page.tabs.current() != "registries":
        return None
    _spin(application, 1.0)
    page.registries.store.examine()
    if options.form:
        page.registries.open_clean_up()
        dialog = application.activeModalWidget()
        dialog.name.setText("churn")
        dialog.best.setCurrentIndex(2)
        dialog.measure.setText("auc")
    _spin(application, SETTLE_SECONDS)
    return application.activeModalWidget() if options.form else None


def _wait_for_numbers(application, program, options: argparse.Namespace) -> None:
    end = time.monotonic() + NUMBERS_SECONDS
    while options.agent and program.store.status is None and time.monotonic() < end:
        _spin(application, 0.1)
    _spin(application, SETTLE_SECONDS)


def _gone():
    from mlops_desk.kit.base.errors import Unavailable

    return Unavailable("The agent can't be reached (ConnectError).", "Start it: mlops-desk status")


def _spin(application, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        application.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())

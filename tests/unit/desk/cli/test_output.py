"""What a person reads on the command line: words for every answer, aligned in any script, and what was done."""

import os
import time
import unicodedata
from dataclasses import replace
from typing import get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.automation.records.fire_result import FiredRule
from mlops_desk.automation.records.firing import FiringState, FiringStep, KeptFiring
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.automation.records.rule_record import KeptRule, ThingStanding
from mlops_desk.desk.cli import output, postprocess
from mlops_desk.jobs.records.brief import LostJob, brief_of
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Resources
from mlops_desk.jobs.records.staging import ClearedCopies, DiskPart, JobDisk, StagedCopy, StagingCache, StagingProgress
from mlops_desk.kit.records.agent import AgentCost, AgentInfo, Check
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.records.setting import SettingValue
from mlops_desk.kit.text.cells import cut, padded, table, width_of
from mlops_desk.kit.verbs.declaration import Verb, verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.history import History
from mlops_desk.machine.records.host import Disk, Filesystem, Host, Network
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import PastStatus, Status
from mlops_desk.registry.records.model import Model, Registry

SPEC = JobSpec("train", "lab/img", ("python", "a b.py"), resources=Resources(2, 10 << 30, 1.5, 4 << 30, 64 << 20))
JOB = Job("ab12", "train", JobState.RUNNING, SPEC, time.time(), os.getuid(), "me")


def verb(service: str, name: str) -> Verb:
    return next(verb for verb in verbs_of(service, PROTOCOLS[service]) if verb.name == name)


def test_every_verb_answers_in_words() -> None:
    """Without --json nobody is shown JSON, but where it is what was asked for."""
    wordless = []
    for service, protocol in PROTOCOLS.items():
        for declared in verbs_of(service, protocol):
            kind = declared.returns
            if service in {"bare", "evidence"} or (service, declared.name) in {("jobs", "shell"), ("cards", "export")}:
                continue  # `exec`, `evidence build` and a card's file say it by themselves, and a shell is opened
            if declared.streams or declared.name in {"window", "curves", "processes_in", "doctor", "schema"}:
                continue
            is_list = get_origin(kind) in {list, ListPage}
            known = output._TABLES if is_list else output._FORMS
            if (get_args(kind)[0] if is_list else kind) not in known:
                wordless.append(declared.path)
    assert wordless == []


def test_a_past_status_says_of_when_it_is_or_that_nothing_was_recorded() -> None:
    at = time.mktime((2026, 11, 25, 3, 0, 0, 0, 0, -1))
    agent = AgentInfo("0.1", 3.0, AgentCost(), 1, "/d", "i")
    status = Status((), Host("box"), (), (), agent, at, "No GPU.")
    assert output.text(PastStatus(at, 60.0, True, status)).splitlines()[:2] == [
        "As it was at 2026-11-25 03:00:00:", "No GPU."
    ]  # fmt: skip
    assert output.text(PastStatus(at, 60.0, False, status)).startswith("Nothing was recorded at 2026-11-25 03:00:00: ")


def test_of_an_orphan_it_is_said_that_its_record_was_lost() -> None:
    told = output.text(replace(JOB, orphan=True, spec=JobSpec("train", "lab/img")))
    assert "lost, and made anew from its container" in told
    assert "not known" in told
    assert "lost" not in output.text(JOB)


@pytest.mark.parametrize(
    ("lease", "processes", "said"),
    [
        (None, (), "free"),
        (LeaseInfo("unknown"), (), "unknown"),
        (LeaseInfo("unknown", text="file of eve\x1b[2J"), (), "unknown: file of eve\\x1b[2J"),
        (LeaseInfo("leased", uid=7, label="train"), (), "train (uid 7, leased)"),
        (LeaseInfo("draining", uid=7, user="ana", label="train"), (), "train (ana, draining)"),
        (
            LeaseInfo("leased", user="ana", label="vit", since=1_764_000_000.0, until=1_764_003_600.0),
            (),
            "vit (ana, leased since 2025-11-24 16:00:00, until 2025-11-24 17:00:00)",
        ),
        (LeaseInfo("kept", text="kept for bo's job x\x1b"), (), "free, and kept for bo's job x\\x1b"),
        (LeaseInfo("external", text="used"), (GpuProcess(9, None, None, None),), "?: 9"),
        (None, (GpuProcess(9, "bo", "sweep.py", None), GpuProcess(8, "bo", "x", None, "box")), "bo: box, bo: sweep.py"),
    ],
)
def test_who_has_a_gpu_or_why_nobody_may_have_it(lease, processes, said) -> None:
    gpu = Gpu("GPU-a", 0, "H100", None, GpuState.OK, lease, processes=processes)
    assert output._holder(gpu) == said


FIRING = KeptFiring(
    "r1/2/gpu-1", "r", "r1", "gpu-1", 2, 1_790_000_000.0, "by ann",
    (FiringStep("NotifyAction", "tell people", FiringState.FAILED, "The server does not answer.", "Start it."),),
    FiringState.FAILED,
)  # fmt: skip
KEPT = KeptRule(
    "r", "m", "champion", "auc", sentence="When somebody fires it: retrain m@champion.",
    standings=(ThingStanding("gpu-1", None, held_by="cooldown", fired=2),), firings=(FIRING,),
)  # fmt: skip
COPY = StagedCopy("0/1/2", "/mnt/share", 7, "ana", 1234, 3 << 30, 2 << 30, True, 1.0, 2.0, "c0ffee", ("ab12",))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (Model("churn", "3", {"champion": "2"}), ["churn", "champion = version 2", "latest"]),
        (Registry("running", "http://h:1", token_file="/d/mlflow/token"), ["http://h:1", "in /d/mlflow/token"]),
        (Registry("stopped"), ["stopped", "mlops-desk models start"]),
        (SettingValue("ui.theme", "Colours", "Follow.", "choice", "dark", "system", "W", ("system", "dark")),
         ["ui.theme", "dark", "one of system, dark", "Follow."]),
        (LostJob("ab12", "/d/jobs/ab12", 64_002), ["Job ab12 has lost its record", "/d/jobs/ab12. They belong to uid 64002."]),
        (LostJob("ab12", "/d/jobs/ab12"), ["lie in /d/jobs/ab12."]),
        (StagingCache("/nvme", 3 << 30, 100 << 30, 50 << 30, 20 << 30, (COPY,)),
         ["/nvme: 3 GiB of 100 GiB; its disk has 50 GiB free, of which 20 GiB stay.", "/mnt/share", "ana", "1,234", "ab12"]),
        (StagingCache("/nvme", 0, 1 << 30, None, 0), ["0 MiB of 1 GiB, of which 0 MiB stay.", "stage: true"]),
        (COPY, ["1,234 files, 3 GiB", "takes     2 GiB", "whole, verified", "c0ffee", "ab12"]),
        (ClearedCopies((COPY,), 2 << 30, preview=True), ["1 copy would go: 2 GiB."]),
        (ClearedCopies((), 0, (COPY,)), ["0 copies went: 0 MiB.", "/mnt/share stays: ab12"]),
        (JobDisk(3 << 30, 1 << 30, (DiskPart("logs", "/d/jobs", 1 << 30, 3 << 30, "jobs.log_mebibytes"),)),
         ["Jobs keep 1 GiB of at most 3 GiB (setting jobs.disk_mebibytes).", "jobs.log_mebibytes"]),
        (replace(JOB, staging=StagingProgress("/data", "/mnt/s", "copying", 1.0, 5, 1 << 30, 10, 4 << 30, 2.0**28, 90.0)),
         ["/mnt/s: 1 GiB of 4 GiB, 5 of 10 files, 256 MiB a second, "]),
        (replace(JOB, staging=StagingProgress("/data", "/mnt/s", "listing", 1.0, 5000)), ["listing /mnt/s: 5,000 files"]),
        (LostJob("ab12", "/d/forgotten-jobs/ab12", forgotten=True), ["Job ab12 is not told of any more", "/d/forgotten-jobs/ab12"]),
        (KEPT, ["m@champion by auc", "When somebody fires it", "held back by its cooldown", "gpu-1", "by ann"]),
        (replace(KEPT, lasts=True), ["gpu-1", "unknown"]),
        (FIRING, ["r1/2/gpu-1", "by ann", "failed", "The server does not answer.", "Start it."]),
        (FiredRule.of(FIRING, None), ["r1/2/gpu-1", "The server does not answer."]),
        (FiredRule.of(FIRING, Retraining("t1", "r", RetrainState.TRAINING, "by ann", "j1", "3", 0.9)),
         ["t1 of r", "training", "version 3: 0.9", "j1"]),
    ],
)  # fmt: skip
def test_single_records_are_facts(record: object, words: list[str]) -> None:
    shown = output.text(record)
    assert "{" not in shown
    for word in words:
        assert word in shown


def test_a_job_shows_its_command_and_what_it_asked_for() -> None:
    shown = output.text(JOB)
    assert "python 'a b.py'" in shown
    assert "2 GPUs of at least 10 GiB, 1.5 CPUs, 4 GiB memory, 64 MiB shared memory" in shown
    assert "running, stopping" in output.text(replace(JOB, cancel_requested=True))


def test_memory_that_was_asked_for_in_powers_of_1000_says_so() -> None:
    asked = replace(SPEC, resources=Resources(1, 80 * 10**9, None, 10 * 10**9))
    shown = output.text(replace(JOB, spec=asked))
    assert "1 GPU of at least 80 GB (74.5 GiB), 10 GB (9.31 GiB) memory" in shown


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (JOB, replace(JOB, cancel_requested=True), "is being stopped;"),
        (replace(JOB, cancel_requested=True), replace(JOB, cancel_requested=True), "is being stopped already"),
        (replace(JOB, state=JobState.QUEUED), replace(JOB, state=JobState.CANCELLED), "out of the queue"),
        (
            replace(JOB, state=JobState.CANCELLED),
            replace(JOB, state=JobState.CANCELLED),
            "had ended already: cancelled",
        ),
    ],
)
def test_cancelling_says_what_it_has_done(was: Job, now: Job, said: str) -> None:
    assert said in postprocess.after(was, now)
    assert postprocess.after(None, now) == ""


@pytest.mark.parametrize(
    ("force", "said", "stays"),
    [
        (False, "was asked to end (TERM)", "mlops-desk gpus end-process 77 --start-ticks 5 --force"),
        (True, "was killed (KILL)", "reset of the GPU"),
    ],
)
def test_ending_a_process_says_what_was_done_and_what_to_do_if_it_stays(force: bool, said: str, stays: str) -> None:
    process = GpuProcess(77, "ada", "python train.py", None)
    arguments = {"pid": 77, "start_ticks": 5, "force": force}
    text = postprocess.ended(verb("gpus", "end_process"), arguments, process)
    assert text.startswith(f"Process 77 (python train.py) {said}")
    assert stays in text
    assert postprocess.ended(verb("jobs", "list"), {}, []) == ""


def test_a_page_is_a_table_and_says_how_to_go_on() -> None:
    shown = output.text(ListPage((brief_of(JOB),), "WzEuMCwgImEiXQ"))
    assert JOB.id in shown
    assert shown.endswith("\n\nThere are more: --cursor WzEuMCwgImEiXQ")
    assert "--cursor" not in output.text(ListPage((brief_of(JOB),)))
    assert output.text(ListPage(()), "No job is running.") == "No job is running."


def test_a_filter_that_lets_nothing_through_is_not_nothing_yet() -> None:
    jobs, events = verb("jobs", "list"), verb("events", "list")
    assert postprocess.nothing(jobs, {"state": None, "limit": 5}) == "Nothing yet."
    assert postprocess.nothing(jobs, {"state": "running", "limit": 200}) == "No job is running."
    assert (
        postprocess.nothing(events, {"level": "alert", "device": None, "limit": 200}) == "Nothing with --level alert."
    )
    assert output.text([], "No job is running.") == "No job is running."
    labels = verb("labels", "list")
    sure = postprocess.nothing(labels, {"endpoint": "iris", "by": "uncertain", "limit": 50})
    assert sure.startswith("Of no request that wants a label is known how sure the model was")
    assert "window that drifted" in postprocess.nothing(labels, {"endpoint": "iris", "by": "drifted", "limit": 50})
    both = {"endpoint": "iris", "by": "uncertain", "column": "truth", "limit": 50}
    assert postprocess.nothing(labels, both) == "Nothing with --by uncertain, --column truth."


@pytest.mark.parametrize(
    ("seconds", "told"), [(1.0, "1 s"), (75.0, "75 s"), (28_131.0, "7.81 h"), (63_072_000.0, "730 d")]
)
def test_the_step_of_a_curve_is_readable(seconds: float, told: str) -> None:
    past = History("host", "system.cpu.utilization", "1", 1.0, seconds, (0.0,), (None,), (None,), (None,))
    assert f"host, {told} a row\n" in output.text(past)


def test_a_switch_is_listed_as_it_is_set() -> None:
    listed = output.text([SettingValue("metrics.enabled", "Endpoint", "Serve.", "switch", False, False, "Metrics")])
    assert "off" in listed
    assert "False" not in listed


def test_wide_names_keep_the_columns_in_line() -> None:
    rows = [["訓練ジョブ", "x"], ["train", "y"], ["e\u0301te", "z"]]
    lines = table(["NAME", "B"], rows).split("\n")
    starts = [width_of(line[: line.index(mark)]) for line, mark in zip(lines, "Bxyz", strict=True)]
    assert len(set(starts)) == 1
    assert [width_of(row[0]) for row in rows] == [10, 5, 3]


@given(st.text(max_size=20), st.integers(0, 30))
def test_texts_are_cut_and_padded_by_columns(text: str, width: int) -> None:
    assert width_of(cut(text, width)) <= width
    assert text.startswith(cut(text, width))
    assert width_of(padded(text, width)) == max(width, width_of(text))
    assert width_of(text) >= sum(unicodedata.east_asian_width(c) in {"W", "F"} and c.isprintable() for c in text)


def test_the_status_tells_of_disks_networks_and_filesystems() -> None:
    def per_second(value: float) -> Reading:
        return Reading(value, "By/s", MetricState.OK)

    full = {"system.filesystem.utilization": Reading(0.93, "1", MetricState.OK)}
    status = Status(
        (),
        Host("ws"),
        (Disk("nvme0n1", metrics={"system.disk.read": per_second(5e6), "system.disk.write": per_second(0)}),),
        (Network("eno1", {"system.network.receive": per_second(1e6)}), Network("eno2", link="down")),
        AgentInfo("1", 2.0, AgentCost(), 3, "/data", "i"),
        1000.0,
        filesystems=(Filesystem("/", "a", "ext4"), Filesystem("/data", "b", "xfs", full)),
    )
    lines = output.text(status).split("\n")
    assert "Disks: nvme0n1 5.0 MB/s read, 0.0 write" in lines
    assert "Networks: eno1 1.0 MB/s in, – out; eno2 down" in lines
    assert "Filesystems: /data 93 % full; / –" in lines
    assert not any(line.startswith("Engines") for line in lines)
    named = replace(status, agent=replace(status.agent, engines=("local", "lab")))
    assert "Engines: local, lab" in output.text(named).split("\n")


def test_the_agent_says_what_its_work_suffers_from() -> None:
    info = AgentInfo("1", 2.0, AgentCost(), 3, "/data", "i")
    assert "note" not in output.text(info)
    assert "The history is paused." in output.text(replace(info, note="The history is paused."))


def test_the_doctor_says_when_there_is_nothing_to_paste() -> None:
    checks = [Check("a", "warning", "no screen"), Check("b", "problem", "broken", "mend it"), Check("c", "ok", "fine")]
    shown = output.text(checks).split("\n")
    assert "no line to paste" in shown[1]
    assert "fix: mend it" in shown[3]
    assert len(shown) == 5


RANK = GpuProcess(
    71, "ada", "python train.py", 5 << 30, "mld-x-7", start_ticks=9, sm_ratio=0.5, memory_bandwidth_ratio=0.35,
    encoder_ratio=0.12, decoder_ratio=0.07, cpu_ratio=1.25, host_memory_bytes=3 << 30, parent_pid=70, job="resnet",
)  # fmt: skip
LAUNCHER = GpuProcess(70, "ada", "torchrun train.py", 1 << 30, draws=True, zombie=True)


def test_the_list_of_gpus_shows_what_each_process_takes_children_below_their_parents() -> None:
    gpu = Gpu("GPU-0", 0, "H100", None, GpuState.OK, processes=(RANK, LAUNCHER), processes_known=True)
    lines = output.text([gpu]).splitlines()
    heads = next(line for line in lines if line.startswith("PID "))
    assert heads.split() == (
        [
            "PID",
            "GPU",
            "USER",
            "JOB",
            "OR",
            "CONTAINER",
            "KIND",
            "MEMORY",
            "SM",
            "BANDWIDTH",
            "ENC",
            "DEC",
            "CPU",
            "HOST",
            "MEMORY",
            "COMMAND",
        ]
    )
    parent, child = lines[lines.index(heads) + 1 :]
    assert parent.split("  ")[0] == "70"
    assert "compute+graphics, zombie" in parent
    for cell in ("resnet", "5.0 GiB", "50%", "35%", "12%", "7%", "125%", "3.0 GiB", "└ python train.py"):
        assert cell in child
    assert "PID " not in output.text([Gpu("GPU-0", 0, "H100", None, GpuState.OK)])


def test_the_status_names_jobs_zombies_and_memory_that_nobody_holds() -> None:
    agent = AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i")
    gpus = (
        Gpu("GPU-0", 0, "H100", None, GpuState.OK, processes=(RANK,)),
        Gpu("GPU-1", 1, "H100", None, GpuState.OK, processes=(LAUNCHER,)),
        Gpu("GPU-2", 2, "H100", None, GpuState.OK, processes_known=True, held_by_nobody_bytes=70 << 30),
        Gpu("GPU-3", 3, "H100", None, GpuState.OK, processes_known=True),
    )
    text = output.text(Status(gpus, Host("h"), (), (), agent, None))
    assert "ada: job resnet" in text
    assert "torchrun train.py (zombie)" in text
    assert "nobody: 70.0 GiB in use by no process that is seen" in text
    assert "sudo fuser -v /dev/nvidia2" in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("3 ")] == ["free"]

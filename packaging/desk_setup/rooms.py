"""Which room of the house each file of tests tries, so that all tests of a room can be run by its name.

A folder or file whose path, below tests/, begins with one of the beginnings here belongs to that room; of several the
longest counts. What begins with none tries what every room stands on, or the program as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from desk_setup.say import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROOMS: dict[str, tuple[str, ...]] = {
    "machine": (
        *("unit/machine", "ui/host", "ui/gpus", "ui/charts", "end2end/telemetry", "end2end/test_alert"),
        *("end2end/test_judgement", "end2end/test_webhook", "end2end/test_faults_clock"),
    ),
    "gpus": (
        *("unit/gpus", "end2end/test_gpu_sets", "end2end/test_leases", "end2end/test_lost_gpu", "end2end/test_truce"),
        *("journeys/test_leases", "journeys/test_lost_gpu"),
    ),
    "engines": (
        *("unit/engines", "ui/images", "end2end/test_engine", "end2end/test_faults_engine", "end2end/test_images"),
        *("end2end/test_private_images", "end2end/test_podman", "end2end/test_rootless", "end2end/test_refused_starts"),
        *("end2end/test_forwarded_socket", "journeys/test_builds"),
    ),
    "jobs": (
        *("unit/jobs", "ui/jobs", "end2end/test_jobs", "end2end/test_bars", "end2end/test_exec", "end2end/test_kills"),
        *("end2end/test_log_archive", "end2end/test_main_path", "end2end/test_runtime", "end2end/test_training_lives"),
        *("end2end/test_way_out", "end2end/test_keyring", "end2end/test_ci", "journeys/test_capsules"),
        *("journeys/test_gpu_jobs", "journeys/test_jobs"),
    ),
    "registry": (
        *("unit/registry", "ui/models", "ui/runs", "ui/curves", "end2end/test_registry", "end2end/test_mirror"),
        *("end2end/test_alias", "end2end/test_artifacts", "end2end/test_clean_up", "end2end/test_no_unpickling"),
        *("end2end/test_real_models", "end2end/test_store", "end2end/test_version_transfer"),
        *("end2end/test_window_stores", "journeys/test_runs"),
    ),
    "serving": ("unit/serving", "ui/endpoints", "end2end/test_serving", "journeys/test_endpoints"),
    "drift": ("unit/drift", "ui/drift", "end2end/test_drift", "journeys/test_drift"),
    "automation": (
        *("unit/automation", "ui/automations", "end2end/test_rule", "end2end/test_loop", "end2end/test_made_rows"),
        *("end2end/test_main_job", "journeys/test_first_model", "journeys/test_rules"),
    ),
    "governance": (
        *("unit/governance", "ui/governance", "end2end/test_governance", "journeys/test_evidence"),
        *("end2end/test_data_catalogue", "end2end/test_serving_labels"),
    ),
    "desk": (
        *("unit/desk", "unit/test_", "end2end/test_agent", "end2end/test_upgrade", "end2end/test_window"),
        *("journeys/test_first_start", "journeys/test_older_data", "journeys/test_window"),
    ),
    "kit": (),
}


def room_of(file: str) -> str:
    """The room that a file of tests tries; `file` is relative to the repository."""
    path = file.removeprefix("tests/")
    fitting = [
        (len(begins), room) for room, all_begin in ROOMS.items() for begins in all_begin if path.startswith(begins)
    ]
    return max(fitting)[1] if fitting else "kit"


def files(tests: Path) -> list[str]:
    """Return all files of tests, relative to the repository."""
    return sorted(path.relative_to(tests.parent).as_posix() for path in tests.rglob("test_*.py"))


def asked_for(arguments: Sequence[str]) -> list[str]:
    """Return the rooms named behind `--all`. Raises SetupError where a word is neither `--room` nor a room."""
    words = [word for word in arguments if word not in {"--all", "--room"}]
    unknown = [word for word in words if word not in ROOMS]
    if unknown:
        raise SetupError(
            f"There is no room {', '.join(unknown)} among the tests. The rooms are {', '.join(ROOMS)}:",
            "python3 packaging/bootstrap.py test --all --room jobs",
        )
    return words

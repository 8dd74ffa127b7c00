"""The window goes where an address leads, at its start and while it runs, and does nothing else."""

import pytest


def test_it_goes_to_a_job_a_gpu_an_endpoint_and_a_model(start, double, qtbot):
    program = start(double)
    window = program.window
    job = next(iter(double.jobs_by_id))
    program.go_to(f"mlops-desk://job/{job}")
    qtbot.waitUntil(lambda: window.page() is not None and window._shown == "jobs" and window.page().table.key() == job)
    gpu = program.store.status.gpus[3].uuid
    program.go_to(f"mlops-desk://gpu/{gpu}")
    qtbot.waitUntil(lambda: window._shown == "gpus" and window.page().list.key() == gpu)
    endpoint = next(iter(double.endpoints_by_name))
    program.go_to(f"mlops-desk://endpoint/{endpoint}")
    qtbot.waitUntil(lambda: window._shown == "endpoints" and window.page().main_table().key() == endpoint)
    model = next(iter(double.models_by_name))
    program.go_to(f"mlops-desk://model/{model}/1")
    qtbot.waitUntil(lambda: window._shown == "models" and window.page().versions.table.key() == f"{model}/1")


@pytest.mark.slow
@pytest.mark.parametrize("view", ["registries", "engines", "secrets", "disk", "settings"])
def test_it_goes_to_each_view_of_the_settings(start, double, qtbot, view):
    program = start(double)
    program.go_to(f"mlops-desk://settings/{view}")
    qtbot.waitUntil(lambda: program.window._shown == "settings" and program.window.page().tabs.current() == view)


def test_it_goes_to_one_setting_and_changes_nothing_there(start, double, qtbot):
    program = start(double)
    program.go_to("mlops-desk://settings/registry.uri")
    qtbot.waitUntil(lambda: program.window._shown == "settings" and "registry.uri" in program.window.page().rows)
    page = program.window.page()
    qtbot.waitUntil(lambda: page.filter_field().text() == "registry.uri")
    assert not [one for one in double.calls if one == ("settings", "set")]


def test_at_its_start_it_goes_there_once_the_agent_answers(start, double, qtbot):
    job = [*double.jobs_by_id][-1]
    program = start(double, destination=f"mlops-desk://job/{job}")
    qtbot.waitUntil(lambda: program.window._shown == "jobs" and program.window.page().table.key() == job)


def test_a_run_is_shown_on_the_page_of_runs_also_one_that_is_not_among_its_rows(start, double, qtbot):
    program = start(double)
    program.go_to("mlops-desk://run/a0000000000000000000000000000001")
    qtbot.waitUntil(lambda: program.window._shown == "runs" and program.window.page().table.key() is not None)
    page = program.window.page()
    qtbot.waitUntil(lambda: page.right is not None and page.right.detail.title.whole == "live-1")
    assert page.table.key() == "a0000000000000000000000000000001"
    program.go_to("mlops-desk://run/run1")
    qtbot.waitUntil(lambda: page.right.detail.title.whole == "calm-owl-42")


@pytest.mark.parametrize("text", ["mlops-desk://job/x?cancel=1", "mlops-desk://job/nobody", "nonsense", "x" * 5000])
def test_what_leads_nowhere_is_said_and_asks_nothing_that_changes(start, double, qtbot, text):
    program = start(double)
    said = []
    program.context.said.connect(lambda level, words: said.append((level, words)))
    before = program.window._shown
    program.go_to(text)
    qtbot.waitUntil(lambda: bool(said))
    assert program.window._shown == before
    assert len(said[0][1]) < 1000
    assert not [name for service, name in double.calls if (service, name) in {("jobs", "cancel"), ("jobs", "submit")}]

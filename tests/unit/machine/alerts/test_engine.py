"""When alerts begin and end, over samples with gaps; that each default can fire; what a rule may be."""

import math
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid, command_of
from mlops_desk.machine.alerts.causes import Cause
from mlops_desk.machine.alerts.default_rules import WATCHED
from mlops_desk.machine.alerts.documents import check
from mlops_desk.machine.alerts.engine import GONE_SECONDS, AlertEngine
from mlops_desk.machine.alerts.readings import PULSE_SECONDS
from mlops_desk.machine.alerts.words import describe
from mlops_desk.machine.records.gpu import Gpu, GpuState, LeaseInfo
from mlops_desk.machine.records.host import Disk, Filesystem, Host, Network
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Status
from tests.service_rig import AGENT


def readings(values: dict[str, float | None]) -> dict[str, Reading]:
    return {
        name: Reading(value, "1", MetricState.OK if value is not None else MetricState.STALE)
        for name, value in values.items()
    }


def status(
    gpu=None,
    state=GpuState.OK,
    host=None,
    disk=None,
    filesystem=None,
    network=None,
    note=None,
    lease=None,
    nobodys=None,
) -> Status:
    return Status(
        (Gpu("GPU-0", 0, "H100", None, state, lease, metrics=readings(gpu or {}), held_by_nobody_bytes=nobodys),),
        Host("box", readings(host or {})),
        (Disk("nvme0n1", metrics=readings(disk or {})),),
        (Network("eth0", readings(network or {})),),
        AGENT,
        1.0,
        filesystems=(Filesystem("/data", "/dev/x", "ext4", readings(filesystem or {}), note),),
    )


def play(engine: AlertEngine, samples: list[tuple[float, Status]]) -> list[tuple[float, str, bool]]:
    """Return (time, rule, begun) of each change."""
    return [
        (now, change.alert.rule, change.alert.ended_at is None)
        for now, sample in samples
        for change in engine.step(sample, now, now)
    ]


def hot(degrees: float | None) -> Status:
    return status(gpu={"hw.temperature": degrees, "hw.temperature.limit.slowdown": 90.0})


def test_heat_fires_once_near_the_gpus_own_limit_and_ends_with_hysteresis():
    engine = AlertEngine()
    course = [70.0] * 10 + [86.0] * 60 + [83.0] * 60 + [70.0] * 60
    told = play(engine, [(float(second), hot(degrees)) for second, degrees in enumerate(course)])
    assert [(rule, begun) for _, rule, begun in told] == [("gpu_temperature", True), ("gpu_temperature", False)]
    assert told[0][0] == 40.0
    assert told[1][0] == 160.0


@pytest.mark.parametrize(("low", "duty", "period"), [(80.0, 2, 4), (83.0, 18, 20)])
def test_a_temperature_that_flickers_across_its_limit_fires_once_and_does_not_end(low, duty, period):
    """As an H100 that slows down at 89 °C does: hot half of the time, and hot nine tenths of it."""
    engine = AlertEngine()
    course = [96.0 if second % period < duty else low for second in range(300)]
    limits = {"hw.temperature.limit.slowdown": 89.0}
    told = play(
        engine, [(float(s), status(gpu={"hw.temperature": degrees, **limits})) for s, degrees in enumerate(course)]
    )
    assert [(rule, begun) for _, rule, begun in told] == [("gpu_temperature", True)]
    assert told[0][0] <= 75.0


def test_throttling_for_ten_seconds_of_each_twenty_fires_once_and_five_seconds_once_do_not():
    def slowed(course):
        return [
            (float(s), status(gpu={"hw.gpu.throttle.hardware_slowdown": share, "hw.gpu.throttle.thermal": 0.0}))
            for s, share in enumerate(course)
        ]

    engine = AlertEngine()
    told = play(engine, slowed([1.0 if second % 20 < 10 else 0.0 for second in range(300)]))
    assert [(rule, begun) for _, rule, begun in told] == [("gpu_throttling", True)]
    (alert,) = engine.firing.values()
    assert 0.45 <= alert.value <= 0.55, "the share of the time, not of the moment"
    measured = float(alert.text.partition("Measured: ")[2].partition("\u202f")[0])
    assert 45.0 <= measured <= 70.0
    assert play(AlertEngine(), slowed([0.0] * 60 + [1.0] * 5 + [0.0] * 240)) == []


@given(st.lists(st.one_of(st.none(), st.floats(20.0, 120.0)), max_size=150), st.integers(1, 20))
@example([86.0, 86.0, None, 86.0, 86.0, 86.0, None, None, 70.0], 10)
@example([None, 86.0, None, 86.0, None], 20)
@settings(max_examples=50, deadline=None)
def test_missing_data_neither_fires_nor_ends(course, step):
    engine, on = AlertEngine(), False
    for number, degrees in enumerate(course):
        now = float(number * step)
        changes = [c for c in engine.step(hot(degrees), now, now) if c.alert.rule == "gpu_temperature"]
        assert len(changes) <= 1
        if degrees is None:
            assert not changes
        for change in changes:
            begun = change.alert.ended_at is None
            assert begun is not on
            on = begun
    assert on is (("gpu_temperature", "GPU-0", "") in engine.firing)


def test_an_alert_about_a_lease_file_says_which_and_whose_and_ends_with_the_trouble():
    engine = AlertEngine()
    trouble = "The lease file /run/lock/x of eve is damaged."
    (begun,) = engine.step(status(lease=LeaseInfo("unknown", trouble=trouble)), 1.0, 1.0)
    assert begun.alert.rule == "gpu_lease"
    assert begun.alert.text == f"Lease files tell all users of this machine who holds a GPU. {trouble}"
    (ended,) = engine.step(status(lease=LeaseInfo("leased")), 2.0, 2.0)
    assert ended.alert.ended_at == 2.0
    other = "Our lease file was removed or emptied, and has been written anew."
    (again,) = engine.step(status(lease=LeaseInfo("leased", trouble=other)), 3.0, 3.0)
    assert (again.alert.id, again.alert.text.endswith(other)) == (begun.alert.id, True)


FIRING = {
    "gpu_lost": {"state": GpuState.LOST},
    "gpu_silent": {"state": GpuState.STALE},
    "gpu_lease": {"lease": LeaseInfo("unknown", trouble="The lease file of eve is damaged.")},
    "gpu_temperature": {"gpu": {"hw.temperature": 88.0, "hw.temperature.limit.slowdown": 90.0}},
    "gpu_memory_temperature": {"gpu": {"hw.temperature.memory": 104.0}},
    "gpu_throttling": {"gpu": {"hw.gpu.throttle.power_brake": 0.5}},
    "gpu_row_remap_failure": {"gpu": {"hw.gpu.row_remap.failure": 1.0}},
    "gpu_row_remap_pending": {"gpu": {"hw.gpu.row_remap.pending": 1.0}},
    "gpu_recovery": {"gpu": {"hw.gpu.recovery_action": 4.0}},
    "gpu_row_remaps": {"gpu": {"hw.gpu.row_remap.uncorrectable": 512.0}},
    "gpu_retired_pages": {"gpu": {"hw.gpu.retired_pages.single_bit": 10.0, "hw.gpu.retired_pages.double_bit": 6.0}},
    "gpu_nvlink_down": {"gpu": {"hw.gpu.nvlink.up": 16.0, "hw.gpu.nvlink.limit": 18.0}},
    "gpu_pcie_link": {
        "gpu": {
            "hw.gpu.utilization": 0.9,
            "hw.gpu.pcie.width": 4.0,
            "hw.gpu.pcie.width.limit": 16.0,
            "hw.gpu.pcie.generation": 5.0,
            "hw.gpu.pcie.generation.limit": 5.0,
        }
    },
    "gpu_memory": {"gpu": {"hw.gpu.memory.usage": 79.0, "hw.gpu.memory.limit": 80.0}},
    "gpu_memory_unclaimed": {
        "gpu": {"hw.gpu.memory.usage": 70.0 * 2**30, "hw.gpu.memory.limit": 80.0 * 2**30},
        "nobodys": 70 << 30,
    },
    "host_memory": {"host": {"system.memory.usage": 99.0, "system.memory.limit": 100.0}},
    "host_memory_pressure": {"host": {"system.pressure.memory.full.avg10": 0.4}},
    "host_swap": {"host": {"system.paging.usage": 9.0, "system.paging.limit": 10.0}},
    "host_swapping": {"host": {"system.paging.in": 1e9}},
    "disk_temperature": {"disk": {"hw.temperature": 84.0, "hw.temperature.limit": 85.0}},
    "disk_wear": {"disk": {"hw.disk.wear": 0.95}},
    "disk_spare": {"disk": {"hw.disk.spare": 0.1, "hw.disk.spare.threshold": 0.1}},
    "disk_critical_warning": {"disk": {"hw.disk.critical_warning": 4.0}},
    "filesystem_space": {"filesystem": {"system.filesystem.utilization": 0.97}},
    "filesystem_inodes": {
        "filesystem": {"system.filesystem.inodes.usage": 99.0, "system.filesystem.inodes.limit": 100.0}
    },
    "filesystem_silent": {"note": "It does not answer since 13:00."},
    "network_errors": {"network": {"system.network.receive.errors": 30.0, "system.network.receive.drops": 2.0}},
    "network_link_errors": {"network": {"hw.network.link.errors": 9.0}},
}
GROWING = {
    "gpu_ecc": ("gpu", "hw.errors.ecc.volatile.uncorrected", 1.0),
    "gpu_ecc_corrected": ("gpu", "hw.errors.ecc.volatile.corrected", 15_000.0),
    "gpu_pcie_replays": ("gpu", "hw.gpu.pcie.replays", 900.0),
    "gpu_nvlink_errors": ("gpu", "hw.gpu.nvlink.errors.crc", 900.0),
    "disk_media_errors": ("disk", "hw.disk.media_errors", 1.0),
    "network_flapping": ("network", "hw.network.link.downs", 5.0),
}


def test_every_rule_has_a_way_to_fire():
    assert {
        *FIRING,
        *GROWING,
        "gpu_xid",
        "gpu_xid_warning",
        "host_oom",
        "job_stuck",
        "job_idle",
        "drift",
        "drift_quality",
        "drift_answers",
    } == {item.rule.name for item in WATCHED}


@pytest.mark.parametrize("name", sorted(FIRING))
def test_a_rule_fires_on_what_it_is_for_and_on_nothing_else(name):
    engine = AlertEngine()
    bad, calm = status(**FIRING[name]), status()
    told = play(engine, [(second * 10.0, calm) for second in range(5)])
    assert told == []
    told = play(engine, [(50.0 + second * 10.0, bad) for second in range(60)])
    assert [rule for _, rule, _ in told] == [name]
    alert = engine.firing[next(iter(engine.firing))]
    assert alert.text
    assert alert.hint
    assert alert.device_title


@pytest.mark.parametrize("name", sorted(GROWING))
def test_a_counter_counts_by_its_growth_never_by_its_past(name):
    device, metric, grown = GROWING[name]
    engine = AlertEngine()
    assert play(engine, [(float(second), status(**{device: {metric: 70_000.0}})) for second in range(5)]) == []
    told = play(engine, [(5.0 + second, status(**{device: {metric: 70_000.0 + grown}})) for second in range(5)])
    assert told == [(5.0, name, True)]
    later = play(engine, [(1e6, status(**{device: {metric: 70_000.0 + grown}}))])
    assert later == [(1e6, name, False)]
    assert play(engine, [(1e6 + 1, status(**{device: {metric: 0.0}}))]) == []  # set back, as by a new driver


@pytest.mark.parametrize("name", sorted(GROWING))
def test_a_counter_that_begins_at_nothing_is_seen_to_grow(name):
    device, metric, grown = GROWING[name]
    course = [(float(second), status(**{device: {metric: 0.0 if second < 5 else grown}})) for second in range(8)]
    assert play(AlertEngine(), course) == [(5.0, name, True)]


def test_a_gpu_that_is_lost_a_moment_before_the_driver_says_so_is_one_alert():
    engine = AlertEngine()
    engine.step(status(), 0.0, 0.0)
    lost = status(state=GpuState.LOST)
    assert engine.step(lost, 1.0, 1.0) == []
    engine.pulse("gpu_xid", "GPU-0", 2.0, Cause(xid=79))
    assert play(engine, [(float(second), lost) for second in range(2, 10)]) == [(2.0, "gpu_xid", True)]


def test_corrected_errors_are_an_alert_by_their_rate_not_by_their_number():
    """Fifty a second for five minutes are; one each minute for a day are not."""
    fast, slow = AlertEngine(), AlertEngine()
    corrected = "hw.errors.ecc.volatile.corrected"
    told = play(fast, [(float(s), status(gpu={corrected: 50.0 * s})) for s in range(300)])
    assert told == [(20.0, "gpu_ecc_corrected", True)]
    assert "1000\u202ferrors" in next(iter(fast.firing.values())).text
    assert play(slow, [(60.0 * m, status(gpu={corrected: float(m)})) for m in range(1440)]) == []


def test_all_nvlinks_of_a_gpu_that_had_some_are_missed_and_those_of_a_board_without_a_bridge_are_not():
    def links(*ups: float) -> Status:
        gpus = [
            Gpu(f"GPU-{n}", n, "H100", None, GpuState.OK,
                metrics=readings({"hw.gpu.nvlink.up": up, "hw.gpu.nvlink.limit": 18.0}))
            for n, up in enumerate(ups)
        ]  # fmt: skip
        return replace(status(), gpus=tuple(gpus))

    assert play(AlertEngine(), [(float(s), links(0.0, 0.0)) for s in range(120)]) == []
    engine = AlertEngine()
    told = play(engine, [(float(s), links(0.0, 18.0)) for s in range(120)])
    assert [(rule, begun) for _, rule, begun in told] == [("gpu_nvlink_down", True)]
    (alert,) = engine.firing.values()
    assert (alert.uuid, alert.value, alert.metric) == ("GPU-0", 18.0, "hw.gpu.nvlink.up")
    assert "Measured: 18\u202flinks." in alert.text


def test_a_narrow_pcie_link_goes_on_being_an_alert_while_the_gpu_pauses():
    def link(use: float, width: float) -> Status:
        return status(gpu={**FIRING["gpu_pcie_link"]["gpu"], "hw.gpu.utilization": use, "hw.gpu.pcie.width": width})

    course = [(0.9, 4.0)] * 60 + [(0.0, 1.0)] * 100 + [(0.9, 16.0)] * 40
    told = play(AlertEngine(), [(float(s), link(*each)) for s, each in enumerate(course)])
    assert told == [(30.0, "gpu_pcie_link", True), (190.0, "gpu_pcie_link", False)]
    assert play(AlertEngine(), [(float(s), link(0.0, 4.0)) for s in range(200)]) == []
    assert play(AlertEngine(), [(float(s), link(0.9, 8.0)) for s in range(200)]) == [], "half of the lanes may be meant"


def test_an_incident_sets_its_alert_off_and_keeps_it_going_for_a_while():
    engine = AlertEngine()
    engine.pulse("gpu_xid", "GPU-0", 10.0)
    assert play(engine, [(11.0, status()), (12.0, status())]) == [(11.0, "gpu_xid", True)]
    assert play(engine, [(10.0 + PULSE_SECONDS, status())]) == [(10.0 + PULSE_SECONDS, "gpu_xid", False)]


def test_what_comes_back_soon_is_the_same_alert_and_not_told_again():
    engine = AlertEngine()
    bad, good = status(gpu={"hw.gpu.row_remap.pending": 1.0}), status(gpu={"hw.gpu.row_remap.pending": 0.0})
    (first,) = engine.step(bad, 1.0, 1.0)
    engine.step(good, 2.0, 2.0)
    (again,) = engine.step(bad, 3.0, 3.0)
    assert (again.alert.id, again.fresh, again.alert.since) == (first.alert.id, False, 1.0)
    engine.step(good, 4.0, 4.0)
    (much_later,) = engine.step(bad, 1e5, 1e5)
    assert much_later.fresh
    assert much_later.alert.id != first.alert.id


def test_alerts_that_fired_before_a_restart_go_on_without_being_told_again():
    before = AlertEngine()
    bad, good = status(gpu={"hw.gpu.row_remap.failure": 1.0}), status(gpu={"hw.gpu.row_remap.failure": 0.0})
    (begun,) = before.step(bad, 1.0, 1.0)
    after = AlertEngine((), [begun.alert])
    assert play(after, [(5.0, bad), (6.0, status()), (7.0, good)]) == [(7.0, "gpu_row_remap_failure", False)]


@pytest.mark.parametrize("name", [watched.rule.name for watched in WATCHED])
def test_an_alert_that_fired_at_nothing_goes_on_after_a_restart(name):
    (begun,) = AlertEngine().step(status(gpu={"hw.gpu.row_remap.failure": 1.0}), 1.0, 1.0)
    after = AlertEngine((), [replace(begun.alert, rule=name, value=0.0)])
    assert [alert.rule for alert in after.firing.values()] == [name]


@pytest.mark.parametrize("name", sorted(GROWING))
def test_a_restart_does_not_end_an_alert_of_a_counter(name):
    device, metric, grown = GROWING[name]
    before = AlertEngine()
    before.step(status(**{device: {metric: 70.0}}), 0.0, 0.0)
    (begun,) = before.step(status(**{device: {metric: 70.0 + grown}}), 1.0, 1.0)
    after, now = AlertEngine((), [begun.alert]), status(**{device: {metric: 70.0 + grown}})
    assert play(after, [(5.0, now), (6.0, now), (7.0, now)]) == []
    assert play(after, [(1e6, now)]) == [(1e6, name, False)]


def test_a_restart_does_not_end_the_alert_of_an_xid():
    before = AlertEngine()
    before.pulse("gpu_xid", "GPU-0", 10.0)
    (begun,) = before.step(status(), 11.0, 11.0)
    after = AlertEngine((), [begun.alert])
    assert play(after, [(5.0, status()), (5.0 + PULSE_SECONDS - 1.0, status())]) == []
    assert play(after, [(5.0 + PULSE_SECONDS, status())]) == [(5.0 + PULSE_SECONDS, "gpu_xid", False)]


def test_replays_are_no_new_ones_when_the_links_speed_is_not_told_for_a_moment():
    engine = AlertEngine()
    link = {"hw.gpu.pcie.replays": 1000.0, "hw.gpu.pcie.width.limit": 16.0}
    known = status(gpu={**link, "hw.gpu.pcie.generation.limit": 5.0})
    unknown = status(gpu={**link, "hw.gpu.pcie.generation.limit": None})
    assert play(engine, [(0.0, known), (1.0, unknown), (2.0, known), (3.0, unknown)]) == []


def test_a_mount_that_may_not_be_looked_into_does_answer():
    engine = AlertEngine()
    usage = {"system.filesystem.usage": Reading(None, "By", MetricState.NO_PERMISSION)}
    shut = Filesystem("/data", "/dev/x", "ext4", usage, "needs permission: this user may not look into the folder")
    assert play(engine, [(float(second), replace(status(), filesystems=(shut,))) for second in range(60)]) == []


FOR_GOOD = {"_watched", "_rules", "_judges", "_there", "_of_plan", "_of_fact"}
"""What is of rules, or of the devices that there are now."""


@pytest.mark.slow
def test_devices_that_come_and_go_for_months_leave_nothing_behind():
    engine, now = AlertEngine(), 0.0
    for number in range(200):
        for used in (0.99, 0.99, 0.1, 0.1, 0.99):  # it begins, ends, and is about to begin again when it goes
            mount = Filesystem(f"/run/{number}", "x", "nfs", readings({"system.filesystem.utilization": used}))
            network = Network(f"eth{number}", readings({"hw.network.link.downs": now}))
            engine.step(replace(status(), filesystems=(mount,), networks=(network,)), now, now)
            now += 90.0
        now += 1800.0
    engine.step(status(), now + GONE_SECONDS, now)
    engine.step(status(), now + 3 * GONE_SECONDS, now)
    judge = engine._judges["machine"]
    there = {"GPU-0", "host", "nvme0n1", "/data", "eth0"}
    for holder in (engine, engine._gauging, engine._pulses, judge):
        kept = {name: one for name, one in vars(holder).items() if isinstance(one, dict) and name not in FOR_GOOD}
        assert {name: one for name, one in kept.items() if [key for key in one if not there & {*key}]} == {}
    assert sum(len(spots) for spots in judge._of_plan.values()) == len(judge.all_spots)
    assert {device for _, rows in engine._gauging._table for device in rows._quiet} <= {
        "GPU-0",
        "host",
        "nvme0n1",
        "/data",
        "eth0",
    }


def test_an_alert_of_a_device_that_is_gone_is_kept_for_an_hour_and_over_the_clearing_up():
    """The engine clears up once an hour: what fires for a device that is away just then is not told anew."""
    engine = AlertEngine()
    bad, away = status(gpu={"hw.gpu.row_remap.failure": 1.0}), replace(status(), gpus=())
    assert [begun for *_, begun in play(engine, [(0.0, status()), (3500.0, bad)])] == [True]
    assert play(engine, [(3601.0, away), (3650.0, bad), (3660.0, bad)]) == []
    assert play(engine, [(3700.0, away), (3660.0 + 3599.0, away)]) == []
    assert play(engine, [(3660.0 + 3601.0, away)]) == [(7261.0, "gpu_row_remap_failure", False)]


def test_what_is_only_about_to_fire_is_forgotten_with_its_device():
    engine = AlertEngine()
    engine.step(status(), 0.0, 0.0)
    engine.step(hot(86.0), 3590.0, 0.0)
    engine.step(hot(86.0), 3599.0, 0.0)
    engine.step(replace(status(), gpus=()), 3601.0, 0.0)
    assert not engine._judges["machine"].all_spots


@pytest.mark.parametrize(("minutes", "is_same"), [(9.9, True), (10.1, False)])
def test_what_comes_back_within_ten_minutes_is_the_same_alert(minutes, is_same):
    engine = AlertEngine()
    bad, good = status(gpu={"hw.gpu.row_remap.pending": 1.0}), status(gpu={"hw.gpu.row_remap.pending": 0.0})
    (first,) = engine.step(bad, 0.0, 0.0)
    engine.step(good, 60.0, 60.0)
    (again,) = engine.step(bad, 60.0 + 60.0 * minutes, 0.0)
    assert (again.alert.id == first.alert.id, again.fresh) == (is_same, not is_same)


def test_an_incident_keeps_its_alert_for_ten_minutes():
    engine = AlertEngine()
    engine.pulse("gpu_xid", "GPU-0", 0.0)
    assert len(play(engine, [(0.0, status()), (599.0, status())])) == 1
    assert play(engine, [(601.0, status())]) == [(601.0, "gpu_xid", False)]


@pytest.mark.parametrize("other", [{"metric": "hw.temperature.memory"}, {"above": True}])
def test_a_stored_change_of_a_rule_that_meant_something_else_is_left_aside(other):
    rule = AlertEngine().rules["gpu_temperature"]
    engine = AlertEngine([replace(rule, threshold=40.0, clear_at=45.0, enabled=False, **other)])
    assert engine.rules["gpu_temperature"] == rule


def test_an_alert_of_a_device_that_is_gone_ends_in_the_end():
    engine = AlertEngine()
    engine.step(status(filesystem={"system.filesystem.utilization": 0.99}), 0.0, 0.0)
    engine.step(status(filesystem={"system.filesystem.utilization": 0.99}), 70.0, 70.0)
    assert engine.firing
    without = replace(status(), filesystems=())
    assert play(engine, [(80.0, without), (75.0 + GONE_SECONDS, without)])[0][2] is False
    assert not engine.firing


def test_a_rule_that_is_switched_off_ends_its_alert_and_stays_silent():
    engine = AlertEngine()
    bad = status(gpu={"hw.gpu.row_remap.failure": 1.0})
    engine.step(bad, 0.0, 0.0)
    (change,) = engine.configure(replace(engine.rules["gpu_row_remap_failure"], enabled=False), 1.0)
    assert change.alert.ended_at == 1.0
    assert play(engine, [(2.0, bad), (3.0, bad)]) == []


def test_a_stored_change_of_a_rule_holds_and_keeps_the_programs_words():
    rule = AlertEngine().rules["gpu_temperature"]
    changed = replace(rule, threshold=20.0, clear_at=25.0, for_seconds=0.0, title="old words")
    engine = AlertEngine([changed])
    assert engine.rules["gpu_temperature"].title == rule.title
    assert play(engine, [(0.0, hot(71.0))]) == [(0.0, "gpu_temperature", True)]


@given(st.floats(), st.floats(), st.floats(), st.booleans())
def test_a_rule_that_passes_can_begin_and_can_end(threshold, clear_at, seconds, above):
    rule = replace(WATCHED[3].rule, threshold=threshold, clear_at=clear_at, for_seconds=seconds, above=above)
    try:
        check(rule)
    except Invalid:
        return
    assert all(map(math.isfinite, (threshold, clear_at, seconds)))
    assert seconds >= 0.0
    assert clear_at < threshold if above else clear_at > threshold


def test_an_alert_says_what_was_measured_and_at_what_it_begins_and_ends():
    rules = AlertEngine().rules
    full = describe(rules["filesystem_space"], 0.965)
    assert "Measured: 96.5\u202f%. It rings at 95.0\u202f% or more for 60 s within 150 s, " in full
    assert "and ends at 93.0\u202f% or less for 60 s without a bad value." in full
    hot = describe(rules["gpu_temperature"], 4.0)
    assert (
        "Measured: 4\u202f°C. It rings at 5\u202f°C or less for 30 s within 75 s, and ends at 10\u202f°C or more" in hot
    )
    assert "Measured: 48.0\u202fMiB/s" in describe(rules["host_swapping"], 48.0 * (1 << 20))
    slowed = describe(rules["gpu_throttling"], 0.51)
    assert (
        "10.0\u202f% or more for 30 s within 75 s, or on average over 75 s, and ends at 2.0\u202f% or less on" in slowed
    )
    assert "Measured" not in describe(rules["gpu_lost"], 1.0)
    for name, words in (
        ("gpu_ecc", "Measured: 3\u202ferrors. It rings at 1\u202ferrors or more"),
        ("gpu_row_remaps", "Measured: 3\u202frows."),
        ("network_errors", "Measured: 3\u202fpackets/s."),
        ("gpu_pcie_link", "Measured: 300.0\u202f%. It rings at 25.0\u202f% or less"),
    ):
        assert words in describe(rules[name], 3.0)


def test_the_programs_own_rules_pass():
    for item in WATCHED:
        check(item.rule)


@pytest.mark.parametrize(
    ("rule", "device", "command"),
    [
        ("filesystem_space", "/data", "sudo du -xh --max-depth=2 /data | sort -h | tail"),
        ("filesystem_space", "/my data; x", "sudo du -xh --max-depth=2 '/my data; x' | sort -h | tail"),
        ("disk_critical_warning", "nvme0n1", "sudo smartctl -a /dev/nvme0n1"),
        ("gpu_row_remap_pending", "GPU-3", "sudo nvidia-smi --gpu-reset"),
        ("gpu_temperature", "GPU-3", None),
    ],
)
def test_the_command_of_an_alert_is_about_its_device(rule, device, command):
    (watched,) = [each for each in WATCHED if each.rule.name == rule]
    hint = watched.next_step(device)
    assert command_of(hint) == command
    assert "<" not in hint


def test_the_time_in_which_a_device_is_away_counts_for_nothing():
    engine = AlertEngine()
    away = replace(status(), gpus=())
    assert play(engine, [(0.0, hot(86.0)), (10.0, hot(86.0)), (11.0, away), (60.0, away), (90.0, hot(86.0))]) == []
    assert play(engine, [(109.0, hot(86.0)), (111.0, hot(86.0))]) == [(111.0, "gpu_temperature", True)]

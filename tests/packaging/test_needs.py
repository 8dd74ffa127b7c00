"""What a machine lacks is found, named in Debian's words, and installed or told in one line."""

import pytest
from desk_setup import needs, packages
from desk_setup.needs import Need
from desk_setup.say import SetupError

POLICY = """libglib2.0-0t64:
  Installed: (none)
  Candidate: 2.84.4-3
  Version table:
     2.84.4-3 500
libglib2.0-0:
  Installed: (none)
  Candidate: (none)
libgl1:
  Installed: 1.7.0-1
  Candidate: 1.7.0-1
"""


def sonames(found):
    return {need.name for need in found}


def test_a_library_that_cannot_be_loaded_is_missing_and_one_that_can_is_not():
    absent = Need("library", "libsurely-not-here.so.9", ("libsurely9",))
    assert needs.missing([absent, Need("library", "libc.so.6", ("libc6",))]) == [absent]


def test_a_program_and_a_file_are_looked_for(tmp_path):
    there, absent = tmp_path / "there", tmp_path / "absent"
    there.touch()
    wanted = [Need("file", str(there), ("a",)), Need("file", str(absent), ("b",)), Need("program", "sh", ("c",))]
    assert [need.packages for need in needs.missing(wanted)] == [("b",)]


def test_where_any_of_several_programs_will_do_one_is_enough():
    assert Need("program", "surely-not-here|sh", ("a", "b")).present()
    assert not Need("program", "surely-not-here|nor-this", ("a", "b")).present()


def test_only_a_program_without_libraries_will_do_where_none_can_be_brought_along(tmp_path, monkeypatch):
    monkeypatch.setattr(needs, "SYSTEM_PATH", str(tmp_path))
    shell = Need("static", "busybox", ("busybox-static",))
    assert not shell.present()
    (tmp_path / "busybox").write_bytes(b"\x7fELF" + bytes(600) + b"/lib64/ld-linux-x86-64.so.2" + bytes(100))
    assert not shell.present()
    (tmp_path / "busybox").write_bytes(b"\x7fELF" + bytes(6000))
    assert shell.present()


def test_the_shell_for_containers_is_brought_to_whoever_runs_or_tests_and_by_the_package():
    assert [(need.kind, need.packages) for need in needs.SHELL] == [("static", ("busybox-static",))]
    assert set(needs.SHELL) <= set(needs.for_tests())


def test_offscreen_needs_no_x11_and_wayland_needs_its_own_libraries():
    offscreen = sonames(needs.for_window({"QT_QPA_PLATFORM": "offscreen"}))
    x11 = sonames(needs.for_window({"DISPLAY": ":0"}))
    wayland = sonames(needs.for_window({"WAYLAND_DISPLAY": "wayland-0"}))
    assert not any("xcb" in name for name in offscreen)
    assert "libxcb-icccm.so.4" in x11
    assert "libwayland-cursor.so.0" not in x11
    assert {"libwayland-cursor.so.0", "libxcb-icccm.so.4"} <= wayland
    assert offscreen < x11 < wayland


def test_only_names_with_a_candidate_count_as_offered():
    assert packages.parse_policy(POLICY) == {"libglib2.0-0t64", "libgl1"}


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ({"libglib2.0-0t64", "libgl1"}, ["libglib2.0-0t64", "libgl1"]),
        ({"libglib2.0-0", "libgl1"}, ["libglib2.0-0", "libgl1"]),
        (set(), ["libglib2.0-0", "libgl1"]),  # no lists yet: the older name, which newer releases provide
    ],
)
def test_the_name_that_the_release_offers_is_chosen_once(monkeypatch, offered, chosen):
    monkeypatch.setattr(packages, "offered", lambda _names: offered)
    glib = ("libglib2.0-0t64", "libglib2.0-0")
    wanted = [
        Need("library", "libglib-2.0.so.0", glib),
        Need("library", "libgthread-2.0.so.0", glib),
        Need("library", "libGL.so.1", ("libgl1",)),
    ]
    assert packages.choose(wanted) == chosen


def test_one_who_may_not_install_is_given_one_line_and_nothing_is_run(monkeypatch):
    ran = []
    monkeypatch.setattr(packages, "_prefix", lambda: None)
    monkeypatch.setattr(packages, "offered", set)
    monkeypatch.setattr(packages, "quietly", lambda *given: ran.append(given))
    with pytest.raises(SetupError) as told:
        packages.ensure([Need("file", "/surely/not/here", ("xvfb",)), Need("file", "/nor/here", ("openbox",))])
    assert "\n" not in told.value.paste
    assert "install -y --no-install-recommends xvfb openbox" in told.value.paste
    assert ran == []


def test_nothing_is_asked_of_the_system_where_nothing_is_missing(monkeypatch):
    monkeypatch.setattr(packages, "_prefix", lambda: pytest.fail("looked for a way to become root"))
    packages.ensure([Need("program", "sh", ("dash",))])


def test_an_install_from_outdated_lists_is_tried_once_more_after_reading_them(monkeypatch):
    ran = []

    def quietly(command, *_rest):
        ran.append("update" if "update" in command else "install")
        if ran == ["install"]:
            raise SetupError("404")

    monkeypatch.setattr(packages, "_prefix", list)
    monkeypatch.setattr(packages, "offered", set)
    monkeypatch.setattr(packages, "quietly", quietly)
    with pytest.raises(SetupError, match="cannot be found"):
        packages.ensure([Need("file", "/surely/not/here", ("xvfb",))])
    assert ran == ["install", "update", "install"]

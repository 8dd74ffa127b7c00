"""Whether there is a screen, and a private one that ends with its block."""

import os
import subprocess

import pytest
from desk_setup import checks, screen


@pytest.mark.parametrize(
    ("env", "there"),
    [
        ({}, False),
        ({"DISPLAY": ""}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"QT_QPA_PLATFORM": "offscreen"}, True),
    ],
)
def test_a_screen_is_what_the_environment_names(env, there):
    assert screen.present(env) is there


def test_a_private_screen_has_a_display_of_its_own_and_ends_with_its_block():
    with screen.private({**os.environ, "WAYLAND_DISPLAY": "wayland-of-the-person"}) as env:
        assert env["DISPLAY"] != os.environ.get("DISPLAY")
        assert "WAYLAND_DISPLAY" not in env
        assert geometry(env).stdout.split() == ["1920", "1200"]
    assert geometry(env).returncode != 0


def geometry(env):
    return subprocess.run(
        ["xdotool", "getdisplaygeometry"], env=env, capture_output=True, text=True, check=False, timeout=20
    )


def test_an_engine_that_does_not_listen_does_not_answer(tmp_path):
    assert checks.engine_answers({"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}) is False

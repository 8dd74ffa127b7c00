"""Lines of ``docker run``: what each option becomes, and what is said of it where it becomes nothing."""

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.jobs.file.spec import parse_spec
from mlops_desk.jobs.imports.importer import read_docker_run
from mlops_desk.jobs.imports.options import OPTIONS
from mlops_desk.jobs.records.spec import Mount, Resources
from mlops_desk.kit.base.errors import Invalid


def read(line):
    return read_docker_run(line, "/home/ada/w", "/home/ada")


def spec_of(line):
    return parse_spec(read(line).spec, "/")


def notes(line):
    return [(note.option, note.value, note.lost) for note in read(line).notes]


def test_a_line_as_people_keep_it():
    line = """sudo docker run -itd --rm --name=train --gpus 2 \\
      -v "$(pwd)/data":/data:ro -v $HOME/out:/out -p 8888:8888 -e LR=0.1 -e "MSG=a b" \\
      --shm-size=8g -m 16g --cpus=4 --ipc=host  pytorch/pytorch:2.7 python -c 'print("a; b")' --flag"""
    spec = spec_of(line)
    assert (spec.name, spec.image) == ("train", "pytorch/pytorch:2.7")
    assert spec.command == ("python", "-c", 'print("a; b")', "--flag")
    assert spec.env == {"LR": "0.1", "MSG": "a b"}
    assert spec.resources == Resources(gpus=2, cpus=4.0, memory_bytes=16 << 30, shm_bytes=8 << 30)
    assert spec.mounts == (Mount("/home/ada/w/data", "/data", "ro"), Mount("/home/ada/out", "/out", "rw"))
    assert spec.ports == (8888,)
    assert notes(line) == [
        ("-i", "", True),
        ("-t", "", True),
        ("-d", "", True),
        ("--rm", "", True),
        ("-p", "8888:8888", False),
        ("--ipc", "host", True),
    ]


@pytest.mark.parametrize(
    ("options", "resources", "noted"),
    [
        ("--gpus 2", Resources(gpus=2), []),
        ("--gpus=all", Resources(gpus=1), [("--gpus", "all", False)]),
        ("--gpus '\"device=1,3\"'", Resources(gpus=2), [("--gpus", '"device=1,3"', False)]),
        ("--gpus device=GPU-1a2b", Resources(gpus=1, gpu_uuids=("GPU-1a2b",)), []),
        ("--gpus '\"device=GPU-a,GPU-b\"'", Resources(gpus=2, gpu_uuids=("GPU-a", "GPU-b")), []),
        ("--gpus 'all,capabilities=utility'", Resources(gpus=1), [("--gpus", "all,capabilities=utility", False)]),
        ("--runtime=nvidia", Resources(gpus=1), [("--runtime", "nvidia", False)]),
        ("--runtime nvidia -e NVIDIA_VISIBLE_DEVICES=0,1", Resources(gpus=2), [("--runtime", "nvidia", False), ("-e", "NVIDIA_VISIBLE_DEVICES=0,1", False)]),
        ("-e NVIDIA_DRIVER_CAPABILITIES=all", Resources(), [("-e", "NVIDIA_DRIVER_CAPABILITIES=all", True)]),
        ("-m512m", Resources(memory_bytes=512 << 20), []),
        ("-m 1b", Resources(), [("-m", "1b", True)]),
        ("--memory much", Resources(), [("--memory", "much", True)]),
        ("--cpus 0", Resources(), [("--cpus", "0", True)]),
    ],
)  # fmt: skip
def test_resources(options, resources, noted):
    assert spec_of(f"docker run {options} img").resources == resources
    assert notes(f"docker run {options} img") == noted


@pytest.mark.parametrize(
    ("options", "mounts", "lost"),
    [
        ("-v /data/x:/x", (Mount("/data/x", "/x", "rw"),), False),
        ("-v ./x:/x:ro,z", (Mount("/home/ada/w/x", "/x", "ro"),), False),
        ("-v ~/x:/x:ro", (Mount("/home/ada/x", "/x", "ro"),), False),
        ("-v ${PWD}:/x:ro", (Mount("/home/ada/w", "/x", "ro"),), False),
        ("-v `pwd`/../y:/x:ro", (Mount("/home/ada/y", "/x", "ro"),), False),
        ("--mount type=bind,src=/a,dst=/x,readonly", (Mount("/a", "/x", "ro"),), False),
        ("--mount type=bind,source=/a,target=/x", (Mount("/a", "/x", "rw"),), False),
        ("-v models:/x", (), True),
        ("-v /x", (), True),
        ("--mount type=volume,src=a,dst=/x", (), True),
        ("--mount type=tmpfs,dst=/x", (), True),
        ("-v /var/run/docker.sock:/var/run/docker.sock", (), True),
        ("-v /run/user/1000/podman/podman.sock:/x", (), True),
        ("-v ~/.docker/desktop/docker.sock:/x", (), True),
        ("-v /home/ada/w/../../../etc/shadow:/x", (), True),
        ("-v /:/host", (), True),
        ("-v /a:/proc/x", (), True),
        ("-v /a:/mlops-desk/out", (), True),
        ("-v /a:x", (), True),
    ],
)
def test_mounts(options, mounts, lost):
    assert spec_of(f"docker run {options} img").mounts == mounts
    assert any(note[2] for note in notes(f"docker run {options} img")) is lost


def test_a_working_folder_is_gone_to_first():
    assert spec_of("docker run -w /x img python a.py 'b c'").command == (
        "sh", "-c", 'cd "$0" && exec "$@"', "/x", "python", "a.py", "b c",
    )  # fmt: skip
    assert notes("docker run -w /x img") == [("-w", "/x", True)]


def test_what_becomes_of_restarts_and_an_entry_point():
    spec = spec_of("docker run --restart on-failure:3 --entrypoint bash --stop-timeout 30 img -c x")
    assert (spec.retries, spec.command, spec.grace_seconds) == ({"exit_nonzero": 3}, ("bash", "-c", "x"), 30.0)
    assert notes("docker run --restart=always img") == [("--restart", "always", True)]
    assert notes("docker run --restart no img") == []


def test_a_point_of_the_profile_that_has_a_name_is_relaxed_by_it():
    line = (
        "docker run --security-opt seccomp=unconfined --security-opt no-new-privileges:true --security-opt label=x img"
    )
    assert spec_of(line).relax == ("seccomp",)
    assert [(value, lost) for _, value, lost in notes(line)] == [
        ("seccomp=unconfined", False), ("no-new-privileges:true", True), ("label=x", True),
    ]  # fmt: skip


def test_ports_are_named_one_by_one():
    line = "docker run -p 127.0.0.1:8000-8002:8000-8002/tcp -p 53:53/udp -p 0:0 -p 80 -p 80 img"
    assert spec_of(line).ports == (8000, 8001, 8002, 80)
    assert [(value, lost) for _, value, lost in notes(line)] == [
        ("127.0.0.1:8000-8002:8000-8002/tcp", False), ("53:53/udp", True), ("0:0", True), ("80", False), ("80", False),
    ]  # fmt: skip


def test_a_flag_that_is_off_is_not_told():
    assert notes("docker run --rm=false --privileged=true img") == [("--privileged", "", True)]


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_each_option_is_taken_in_or_told(name):
    option = OPTIONS[name]
    line = f"docker run --{name}{'=x' if option.takes_value else ''} img"
    job = read(line)
    spec = parse_spec(job.spec)
    assert job.notes or spec != parse_spec(read("docker run img").spec)
    assert all(note.option == f"--{name}" and note.why for note in job.notes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "This is no line of docker run."),
        ("docker ps", "This is no line of docker run."),
        ("docker run", "The line names no image."),
        ("docker run -it", "The line names no image."),
        ("docker run img -v", None),
        ("docker run -v", "-v stands at the end, without its value."),
        ("docker run --name", "--name stands at the end, without its value."),
        ("docker run --gpu 1 img", "--gpu is no option of docker run, as far as is known here."),
        ("docker run -x img", "-x is no option of docker run, as far as is known here."),
        ("docker run img a | tee log", "The line goes on after '|', with what only a shell does."),
        ("docker run img && rm -rf x", "The line goes on after '&&', with what only a shell does."),
        ("docker run img 'a", "The line can't be read: No closing quotation."),
        ("docker run 'a b'", "This makes no job: image: 'a b' does not fit."),
        ("docker run " + "a" * 70_000, "The line is longer than 64 KiB, or no text."),
    ],
)
def test_what_is_no_line_is_refused_in_words(line, message):
    if message is None:
        assert spec_of(line).command == ("-v",)
        return
    with pytest.raises(Invalid) as caught:
        read(line)
    assert caught.value.message == message
    assert caught.value.hint


def test_an_option_that_is_mistyped_is_told_with_the_one_that_was_meant():
    with pytest.raises(Invalid) as caught:
        read("docker run --gpu 1 img")
    assert str(caught.value.hint).startswith("Did you mean --gpus? ")


_WORDS = st.sampled_from(
    ["-v", "-it", "-p", "--gpus", "-e", "--mount", "-w", "--env=", "img", "a:b:c", "device=", '"', "'", "$(pwd)", "--",
     "-", "=", ":", "type=bind", "{x}", "\x00", "\u202e", "--memory=1e9", "~", "/", "..", "--name=\u202e"]
)  # fmt: skip


@given(st.lists(_WORDS | st.text(string.printable, max_size=6), max_size=8))
@example(["-v", "/a:/b:/c:/d"])
@example(["-e", "=x"])
@example(["--mount", '"'])
@settings(deadline=None)
def test_whatever_stands_in_a_line_becomes_a_job_file_or_an_error_in_words(words):
    try:
        job = read("docker run " + " ".join(words))
    except Invalid as error:
        assert error.message  # noqa: PT017 - either outcome is right; anything else raised fails the test
        return
    assert parse_spec(job.spec).image


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "docker run " + "-e A=1 " * 9000 + "img",
        "docker run -p " + ":" * 60_000 + " img",
        "docker run -p " + "1." * 30_000 + " img",
        "docker run " + "-it" * 20_000 + " img",
        "docker run img " + "$(" * 30_000,
        "docker run -v " + "/a" * 30_000 + ":/x img",
    ],
    ids=["variables", "colons", "digits", "letters", "shell", "path"],
)
def test_a_long_line_is_read_in_its_time(line):
    try:
        read(line)
    except Invalid as error:
        assert error.message  # noqa: PT017 - either outcome is right; one that never comes fails the test


@pytest.mark.slow
def test_more_variables_than_a_job_file_has_are_told():
    job = read("docker run " + "".join(f"-e A{number}=1 " for number in range(502)) + "img")
    assert len(parse_spec(job.spec).env) == 500
    assert [(note.value, note.lost) for note in job.notes] == [("A500=1", True), ("A501=1", True)]


def test_a_secret_is_told_and_not_repeated():
    line = "docker run -e HF_TOKEN=s3cret -e WANDB_API_KEY=s3cret -e MAX_TOKENS=5 -e MY_TOKEN= img"
    assert notes(line) == [("-e", "HF_TOKEN", False), ("-e", "WANDB_API_KEY", False)]
    assert spec_of(line).env["HF_TOKEN"] == "s3cret"

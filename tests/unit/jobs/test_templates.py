"""Job files to begin with: those that come along all read, and people keep their own."""

import pytest

from mlops_desk.jobs.admission import members
from mlops_desk.jobs.file.spec import parse_spec
from mlops_desk.jobs.records.spec import JobKind
from mlops_desk.jobs.templates import Templates, shipped
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable

TEXT = "# Mine\n#  Change\n# the image.\napiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: b\n# not help\n"
ANNA, BO = 64_002, 64_003


@pytest.fixture
def templates(tmp_path):
    return Templates(tmp_path / "templates")


def test_those_that_come_along():
    assert [template.name for template in shipped()] == [
        "augment-own", "jupyter", "mixed-precision", "mlproject", "pytorch", "pytorch-ddp", "scikit-learn",
        "synthetic-copula",
    ]  # fmt: skip


def test_an_installed_program_finds_them_where_they_were_installed(tmp_path, monkeypatch):
    (tmp_path / "site" / "mlops_desk" / "jobs").mkdir(parents=True)
    (tmp_path / "mlops_desk_resources" / "job_templates").mkdir(parents=True)
    (tmp_path / "mlops_desk_resources" / "job_templates" / "one.yaml").write_text(TEXT)
    monkeypatch.setattr("mlops_desk.jobs.templates.__file__", str(tmp_path / "site" / "mlops_desk" / "jobs" / "t.py"))
    monkeypatch.setattr("mlops_desk.jobs.templates.files", lambda name: tmp_path / name)
    assert [template.name for template in shipped()] == ["one"]


@pytest.mark.parametrize("template", shipped(), ids=lambda template: template.name)
def test_each_that_comes_along_is_a_job_file_with_a_title_and_a_help(template):
    spec = parse_spec(template.spec, "/home/ada")
    assert members(spec)
    assert template.title
    assert template.help
    assert not template.own


def test_what_each_is_for():
    specs = {template.name: parse_spec(template.spec, "/home/ada") for template in shipped()}
    assert specs["pytorch"].resources.gpus == 1
    ddp = specs["pytorch-ddp"]
    assert ddp.resources.gpus > 1
    assert ddp.command[:3] == ("torchrun", "--standalone", "--nproc-per-node=gpu")
    assert [one.params["precision"] for one in members(specs["mixed-precision"])] == ["bf16", "fp16", "fp32"]
    assert specs["scikit-learn"].resources.gpus == 0
    jupyter = specs["jupyter"]
    assert (jupyter.kind, jupyter.ports, jupyter.secrets) == (JobKind.SESSION, (8888,), ("jupyter-token",))
    assert not any("token" in word.lower() for word in jupyter.command)


def test_one_keeps_ones_own_which_nobody_else_sees(templates):
    saved = templates.save("mine", TEXT, "/", ANNA)
    assert (saved.title, saved.help, saved.spec, saved.own) == ("Mine", "Change the image.", TEXT, True)
    assert templates.find("mine", ANNA) == saved
    assert templates.all(ANNA)[0] == saved
    assert "mine" not in {template.name for template in templates.all(BO)}
    with pytest.raises(NotFound, match="no template called 'mine'") as told:
        templates.find("mine", BO)
    assert told.value.command == "mlops-desk jobs save-template mine JOB.yaml"
    assert str(told.value.hint).endswith("jobs save-template mine JOB.yaml makes one of a job file.")


def test_paths_of_the_files_own_folder_become_whole_ones_and_the_title_stays(templates):
    text = TEXT.replace(
        "image: b\n", "build: {context: .}\nsource: {folder: code}\ncommand: [a, '{lr}']\nparams: {lr: 0.10}\n"
    )
    text += "mounts:\n- {source: data/old, target: /data}\n- {source: /srv/x, target: /x}\n"
    saved = templates.save("mine", text, "/home/ada/work", ANNA)
    assert (saved.title, saved.help) == ("Mine", "Change the image.")
    assert parse_spec(saved.spec) == parse_spec(text, "/home/ada/work")
    spec = parse_spec(templates.find("mine", ANNA).spec, "/anywhere")
    assert [mount.source for mount in spec.mounts] == ["/home/ada/work/data/old", "/srv/x"]
    assert (spec.source.folder, spec.build.context) == ("/home/ada/work/code", "/home/ada/work")
    whole = (
        text.replace("{context: .}", "{context: /b}").replace("folder: code", "folder: /c").replace("data/old", "/d")
    )
    assert templates.save("whole", whole, "/home/ada/work", ANNA).spec == whole


def test_ones_own_hides_the_one_of_its_name_that_comes_along_until_it_is_removed(templates):
    templates.save("pytorch", TEXT, "/", ANNA)
    assert templates.find("pytorch", ANNA).own
    assert templates.remove("pytorch", ANNA).spec == TEXT
    assert not templates.find("pytorch", ANNA).own
    with pytest.raises(Refused, match="comes along"):
        templates.remove("pytorch", ANNA)


def test_a_template_is_not_written_over(templates):
    templates.save("mine", TEXT, "/", ANNA)
    with pytest.raises(Refused) as caught:
        templates.save("mine", TEXT.replace("image: b", "image: c"), "/", ANNA)
    assert caught.value.command == "mlops-desk jobs remove-template mine"
    assert templates.find("mine", ANNA).spec == TEXT


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", "a.b", "-a", "a" * 41, "é"])
def test_what_is_no_name_is_refused(templates, name):
    with pytest.raises(Invalid, match="is no name of a template"):
        templates.save(name, TEXT, "/", ANNA)


def test_what_is_no_job_file_is_not_kept(templates):
    with pytest.raises(Invalid, match="Line 4"):
        templates.save("mine", TEXT.replace("apiVersion", "version"), "/", ANNA)
    assert templates.all(ANNA) == tuple(shipped())


def test_a_disk_that_takes_nothing_is_told(templates, tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlops_desk.jobs.templates.write_atomically", full)
    with pytest.raises(Unavailable, match="can't be written: No space left on device"):
        templates.save("mine", TEXT, "/", ANNA)


def test_a_folder_that_can_not_be_read_is_told(templates, monkeypatch):
    templates.save("mine", TEXT, "/", ANNA)

    def broken(*_arguments, **_more):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mlops_desk.jobs.templates._read", broken)
    with pytest.raises(Unavailable, match="can't be read: Input/output error"):
        templates.all(ANNA)


def test_a_template_that_can_not_be_removed_is_told(templates, monkeypatch):
    templates.save("mine", TEXT, "/", ANNA)

    def broken(*_arguments, **_more):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.unlink", broken)
    with pytest.raises(Unavailable, match="can't be removed: Read-only file system"):
        templates.remove("mine", ANNA)


def test_nobody_keeps_without_end(templates, monkeypatch):
    monkeypatch.setattr("mlops_desk.jobs.templates._MOST_OWN", 2)
    templates.save("a", TEXT, "/", ANNA)
    templates.save("b", TEXT, "/", ANNA)
    with pytest.raises(Refused, match="You keep 2 templates already"):
        templates.save("c", TEXT, "/", ANNA)


def test_what_is_kept_is_its_owners_alone(templates, tmp_path):
    templates.save("mine", TEXT, "/", ANNA)
    path = tmp_path / "templates" / str(ANNA) / "mine.yaml"
    assert oct(path.stat().st_mode & 0o777) == "0o600"

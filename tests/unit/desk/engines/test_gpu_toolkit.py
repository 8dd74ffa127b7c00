"""What of NVIDIA's container toolkit is installed, as far as it answers."""

from mlops_desk.desk.engines.gpu_toolkit import Toolkit


def says(path, text, code=0):
    path.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n")
    path.chmod(0o755)
    return (str(path), "--version")


def test_the_first_that_answers_tells_and_is_not_asked_again(tmp_path):
    broken = says(tmp_path / "a", "version 9", code=1)
    ctk = says(tmp_path / "b", "NVIDIA Container Toolkit CLI version 1.17.4\ncommit: 9")
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi" / "nvidia.yaml").write_text("---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    toolkit = Toolkit([("/no/such/program",), broken, ctk], [tmp_path / "none", tmp_path / "cdi"])
    assert toolkit.versions() == {"toolkit": "1.17.4", "cdi": "0.5.0"}
    (tmp_path / "b").unlink()
    assert toolkit.versions() == {"toolkit": "1.17.4", "cdi": "0.5.0"}


def test_other_words_of_it(tmp_path):
    hook = says(tmp_path / "a", "cli-version: 1.14.3")
    (tmp_path / "nvidia.json").write_text('{"cdiVersion":"0.6.0"}')
    assert Toolkit([hook], [tmp_path]).versions() == {"toolkit": "1.14.3", "cdi": "0.6.0"}


def test_nothing_installed_is_nothing_known(tmp_path):
    (tmp_path / "nvidia.yaml").write_text("no version")
    assert Toolkit([says(tmp_path / "a", "hello")], [tmp_path]).versions() == {}


def test_one_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("mlops_desk.desk.engines.gpu_toolkit._SECONDS", 0.2)
    (tmp_path / "a").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "a").chmod(0o755)
    assert Toolkit([(str(tmp_path / "a"),)], []).versions() == {}

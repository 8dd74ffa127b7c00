"""The clean system is given this machine's network settings, and nothing else of it."""

import clean_root


def test_settings_and_certificates_are_handed_in_and_nothing_else(tmp_path, monkeypatch):
    certificates = tmp_path / "certificates.pem"
    certificates.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("SECRET", "of this machine")
    env = clean_root._environment("person", {"DISPLAY": ":1"})
    assert env["SSL_CERT_FILE"] == env["PIP_CERT"] == clean_root.CERTIFICATES_INSIDE
    assert (env["HTTPS_PROXY"], env["HOME"], env["DISPLAY"]) == ("http://proxy:3128", "/home/person", ":1")
    assert "SECRET" not in env


def test_without_certificates_of_its_own_a_machine_hands_in_none(monkeypatch):
    for name in clean_root.CERTIFICATE_FILES:
        monkeypatch.delenv(name, raising=False)
    assert not set(clean_root._environment("root", {})) & set(clean_root.CERTIFICATE_FILES)

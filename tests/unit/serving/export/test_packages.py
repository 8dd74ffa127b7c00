"""The list of an image's packages as CycloneDX has it."""

from mlops_desk.serving.export.packages import Package, sbom


def test_a_package_under_two_spellings_is_named_once_and_each_version_by_itself() -> None:
    found = [
        Package("Foo.Bar", "1.0"),
        Package("foo-bar", "1.0", "MIT"),
        Package("foo_bar", "2.0"),
        Package("a", "1+cu12"),
    ]
    document = sbom(found, "front:r1", "sha256:0", "2026-11-30T00:00:00Z")
    refs = [one["bom-ref"] for one in document["components"]]
    assert sorted(refs) == ["pkg:pypi/a@1%2Bcu12", "pkg:pypi/foo-bar@1.0", "pkg:pypi/foo-bar@2.0"]
    assert document["metadata"]["component"]["bom-ref"] not in refs

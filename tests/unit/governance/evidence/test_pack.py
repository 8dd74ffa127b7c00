"""Evidence packs: what is in them, and that no change of any byte passes, whoever made it."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.governance.evidence import extract
from mlops_desk.governance.evidence.archive import beyond_bytes, packed, unpacked
from mlops_desk.governance.evidence.pack_builder import EvidenceMaker, PartSource, Tell
from mlops_desk.governance.evidence.verification import verify
from mlops_desk.governance.evidence.worker import work
from mlops_desk.governance.text.evidence import verification
from mlops_desk.kit.base.disk import signatures
from mlops_desk.kit.base.errors import Invalid, Refused, TimedOut
from mlops_desk.kit.records.audit import AuditLink
from mlops_desk.kit.storage.audit.chain import START, following
from mlops_desk.registry.records.evidence import EvidencePart, PartState
from mlops_desk.registry.records.model import ModelVersion

VERSION = ModelVersion("churn", "3", "r1", None, "READY")


def chain(texts: list[str]) -> list[tuple[AuditLink, str]]:
    made, before, number = [], START, 0
    for text in texts:
        link = following(number, before, f"e{number}", text)
        made.append((link, before))
        before, number = link.digest, link.number
    return made


def away(_version: ModelVersion) -> object:
    raise TimedOut("The registry does not answer.")


def sources() -> list[PartSource]:
    records = chain(['{"a": 1}', "x\u2028y", "ä"])
    return [
        PartSource("version", "version.json", lambda version: version),
        PartSource("drift", "drift.json", lambda _version: {"m": [1.5, float("nan"), True]}),
        PartSource("answers", "answers.json", lambda _version: []),
        PartSource("run", "run.json", away),
        PartSource("audit", "audit.ndjson", lambda _version: extract.written(records[1:], "head")),
    ]


def maker(folder: Path, asked: list[PartSource] | None = None, tell: Tell | None = None) -> EvidenceMaker:
    def find(name: str, number: str) -> ModelVersion:
        assert (name, number) in {("churn", "3"), ("churn", "@champion")}
        return VERSION

    @contextmanager
    def begun(_ticket: str | None) -> Iterator[Tell]:
        yield (lambda _text, _done, _total: None) if tell is None else tell

    wanted = sources() if asked is None else asked
    return EvidenceMaker(find, wanted, folder / "keys", "MLOps Desk 1", lambda: 1.8e9, begun)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return maker(tmp_path_factory.mktemp("keys")).build("churn/3").data


def test_each_part_is_there_or_says_that_there_is_nothing_or_why_nobody_knows(tmp_path: Path) -> None:
    made = maker(tmp_path).build("churn@champion")
    assert made.parts == (
        EvidencePart("version", PartState.THERE, "version.json"),
        EvidencePart("drift", PartState.THERE, "drift.json"),
        EvidencePart("answers", PartState.NOTHING),
        EvidencePart("run", PartState.UNKNOWN, None, "The registry does not answer."),
        EvidencePart("audit", PartState.THERE, "audit.ndjson"),
    )
    assert (made.name, made.model, made.version) == ("churn-3-evidence.zip", "churn", "3")
    files = unpacked(made.data)
    assert json.loads(files["version.json"])["run_id"] == "r1"
    assert json.loads(files["drift.json"]) == {"m": [1.5, "NaN", True]}
    assert "run            not known (The registry does not answer.)" in files["README.txt"].decode()
    manifest = json.loads(files["manifest.json"])
    assert (manifest["form"], manifest["made_at"]) == ("mlops-desk-evidence/1", 1.8e9)


def test_how_far_a_pack_is_is_told_part_by_part_and_it_ends_where_it_is_to_stop(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    maker(tmp_path, tell=lambda *told: heard.append(told)).build("churn/3")
    assert heard[0] == ("Collecting: version.", 0, 5)
    assert heard[-1] == ("Signing and packing.", 5, 5)

    def stop(text: str, _done: int, _total: int) -> None:
        if "answers" in text:
            raise Refused("It was stopped.")

    with pytest.raises(Refused, match="stopped"):
        maker(tmp_path, tell=stop).build("churn/3")


def test_a_look_at_a_pack_says_before_each_file_how_many_were_looked_at(pack: bytes) -> None:
    heard: list[tuple[int, int, str]] = []
    verify(pack, None, lambda *told: heard.append(told))
    assert [one[:2] for one in heard] == [(number, len(heard)) for number in range(len(heard))]
    assert {"version.json", "audit.ndjson"} <= {name for _number, _of, name in heard}


def test_a_pack_that_nobody_touched_holds(pack: bytes) -> None:
    found = verify(pack)
    assert (found.intact, found.first_bad, found.why) == (True, None, None)
    assert (found.model, found.version, found.made_at, found.records, found.files) == ("churn", "3", 1.8e9, 2, 8)
    assert found.signer is not None
    assert found.signer.startswith("SHA256:")
    assert verify(pack, found.signer).intact


def changed(pack: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    files = unpacked(pack)
    change(files)
    return packed(files)


@pytest.mark.parametrize(
    "name", ["version.json", "drift.json", "audit.ndjson", "manifest.json", "README.txt", "allowed_signers"]
)
def test_a_file_that_is_changed_taken_away_or_put_in_is_named(pack: bytes, name: str) -> None:
    def edit(files: dict[str, bytes]) -> None:
        files[name] += b" "

    found = verify(changed(pack, edit))
    assert (found.intact, found.first_bad, found.why) == (False, name, f"{name} was changed after the pack was made.")
    if name != "manifest.json":
        gone = verify(changed(pack, lambda files: files.pop(name) and None))
        assert (gone.intact, gone.first_bad, gone.why) == (False, name, f"{name} was taken away.")
    more = verify(changed(pack, lambda files: files.update({"more.json": b"{}"})))
    assert (more.intact, more.first_bad) == (False, "more.json")


def test_two_sums_of_one_file_are_no_list_of_sums(pack: bytes) -> None:
    def twice(files: dict[str, bytes]) -> None:
        first = files[signatures.SUMS].splitlines(keepends=True)[0]
        files[signatures.SUMS] += first

    found = verify(changed(pack, twice))
    assert (found.intact, found.first_bad) == (False, "SHA256SUMS")
    assert found.why == "The list of sums is not of the form that was signed."


def test_sums_that_were_made_anew_are_not_those_that_were_signed(pack: bytes, tmp_path: Path) -> None:
    def edit(files: dict[str, bytes]) -> None:
        files["drift.json"] = b"{}"
        del files[signatures.SUMS]
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / signatures.SIGNATURE).unlink()
        files[signatures.SUMS] = signatures.sums(tmp_path).encode()

    found = verify(changed(pack, edit))
    assert (found.intact, found.signer, found.first_bad) == (False, None, "SHA256SUMS.sig")


def test_a_pack_that_somebody_else_signed_tells_another_signer_and_is_refused_by_who_knows_the_first(
    pack: bytes, tmp_path: Path
) -> None:
    other = maker(tmp_path).build("churn/3").data
    mine, theirs = verify(pack).signer, verify(other).signer
    assert mine != theirs
    found = verify(other, mine)
    assert (found.intact, found.first_bad, found.signer) == (False, "SHA256SUMS.sig", theirs)
    assert found.why == f"It is signed by {theirs}, not by the key that was asked for."


def test_a_signature_that_was_given_for_another_purpose_is_none(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "a").write_bytes(b"a")
    signatures.sign(tmp_path / "content", signatures.own_key(tmp_path), "mlops-desk-export")
    read = [
        (tmp_path / "content" / name).read_bytes()
        for name in (signatures.SUMS, signatures.SIGNERS, signatures.SIGNATURE)
    ]
    assert signatures.signer_of(read[0], read[1], read[2], "mlops-desk-evidence") is None
    assert str(signatures.signer_of(read[0], read[1], read[2], "mlops-desk-export")).startswith("SHA256:")


@pytest.mark.parametrize(
    "signers", [b"", b"* ssh-ed25519 AAAA", b'mlops-desk cert-authority,namespaces="x" ssh-ed25519 AAAA', b"\xff\0"]
)
def test_a_list_of_signers_of_another_form_names_nobody(signers: bytes) -> None:
    assert signatures.signer_of(b"a", signers, b"b", "mlops-desk-evidence") is None


def test_a_manifest_that_names_a_part_which_never_was_is_found_though_it_is_signed(tmp_path: Path) -> None:
    part = {"name": "run", "state": "there", "file": "run.json"}
    manifest = {"form": "mlops-desk-evidence/1", "model": "m", "version": "1", "made_at": 1, "parts": [part]}
    files, _signer = maker(tmp_path)._signed({"manifest.json": json.dumps(manifest).encode()})
    found = verify(packed(files))
    assert (found.intact, found.first_bad) == (False, "run.json")
    assert found.why == "The manifest names run.json, which the pack never had."


def entries(pack: bytes) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        return archive.infolist()


def directory_at(pack: bytes) -> int:
    return int.from_bytes(pack[-6:-2], "little")


def moved(pack: bytes, at: int, more: bytes) -> bytes:
    """Return a ZIP that any program reads as before, with ``more`` put in where a file or the directory began."""
    held = bytearray(pack)
    begin = place = directory_at(pack)
    while held[place : place + 4] == b"PK\x01\x02":
        offset = int.from_bytes(held[place + 42 : place + 46], "little")
        if offset >= at:
            held[place + 42 : place + 46] = (offset + len(more)).to_bytes(4, "little")
        place += 46 + sum(int.from_bytes(held[place + n : place + n + 2], "little") for n in (28, 30, 32))
    held[-6:-2] = (begin + len(more)).to_bytes(4, "little")
    held[at:at] = more
    return bytes(held)


def commented(pack: bytes, more: bytes) -> bytes:
    return pack[:-2] + len(more).to_bytes(2, "little") + more


def slack(pack: bytes, more: bytes) -> bytes:
    """Put bytes after the end of the first file's packed ones, and count them as its own."""
    first = entries(pack)[0]
    end = first.header_offset + 30 + len(first.filename) + first.compress_size
    held = bytearray(moved(pack, end, more))
    size = (first.compress_size + len(more)).to_bytes(4, "little")
    held[18:22] = size
    listed = directory_at(bytes(held))
    held[listed + 20 : listed + 24] = size
    return bytes(held)


HIDDEN = b"nobody signed this"
HIDES: dict[str, Callable[[bytes], bytes]] = {
    "before, as a program that unpacks itself": lambda pack: HIDDEN + pack,
    "before, with all offsets told anew": lambda pack: moved(pack, 0, HIDDEN),
    "between two files": lambda pack: moved(pack, entries(pack)[1].header_offset, HIDDEN),
    "between the files and their directory": lambda pack: moved(pack, directory_at(pack), HIDDEN),
    "in the comment": lambda pack: commented(pack, HIDDEN),
    "behind the end": lambda pack: pack + HIDDEN,
    "behind what of a file is read": lambda pack: slack(pack, HIDDEN),
}


@pytest.mark.parametrize("how", HIDES)
def test_bytes_that_are_no_part_of_a_packs_files_are_told_though_every_file_holds(pack: bytes, how: str) -> None:
    more = HIDES[how](pack)
    assert unpacked(more) == unpacked(pack), "any program reads the same files"
    found = verify(more)
    assert (found.intact, found.first_bad, found.signer) == (False, None, verify(pack).signer)
    assert found.why == "The file holds more than what was signed: 18 bytes that are no part of the pack's files."


def test_files_that_share_bytes_and_one_that_is_longer_than_it_says_are_refused(pack: bytes) -> None:
    shared = bytearray(pack)
    listed = directory_at(pack)
    second = listed + 46 + len(entries(pack)[0].filename)
    shared[second + 42 : second + 46] = bytes(4)  # it begins where the first does
    with pytest.raises(Invalid, match="two of its files share bytes"):
        beyond_bytes(bytes(shared))
    short = bytearray(pack)
    short[listed + 24 : listed + 28] = (entries(pack)[0].file_size - 1).to_bytes(4, "little")
    with pytest.raises(Invalid, match="is not as long as it says"):
        beyond_bytes(bytes(short))


def test_the_command_line_says_what_is_wrong_with_a_pack_as_a_whole(pack: bytes) -> None:
    told = verification(verify(pack + HIDDEN))
    line = next(one for one in told.splitlines() if one.startswith("first bad"))
    assert line.endswith("The file holds more than what was signed: 18 bytes that are no part of the pack's files.")
    held = next(one for one in verification(verify(pack)).splitlines() if one.startswith("first bad"))
    assert held.endswith("–")


def test_a_model_without_a_version_is_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="names no version") as raised:
        maker(tmp_path).build("churn")
    assert "mlops-desk evidence build churn/1" in str(raised.value.hint)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), st.binary(max_size=200), max_size=8
    )
)
def test_an_archive_gives_back_what_was_put_in_and_is_always_the_same(files: dict[str, bytes]) -> None:
    data = packed(files)
    assert unpacked(data) == files
    assert packed(dict(reversed(files.items()))) == data


def zipped(names: list[str], data: bytes = b"x") -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return held.getvalue()


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", ".hidden", "a\n", "x" * 101, "C:evil"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="no evidence pack"):
        unpacked(zipped([name]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_and_too_many_or_too_large_ones_are_refused() -> None:
    with pytest.raises(Invalid, match="one name"):
        unpacked(zipped(["a", "a"]))
    with pytest.raises(Invalid, match="more than 100 files"):
        unpacked(zipped([f"n{number}" for number in range(101)]))
    with pytest.raises(Invalid, match="64 MiB"):
        unpacked(zipped(["a", "b"], bytes(33 << 20)))
    with pytest.raises(Invalid, match="more than an evidence pack may have"):
        packed({f"n{number}": b"" for number in range(101)})


@given(st.binary(max_size=300))
def test_what_is_no_pack_is_told(data: bytes) -> None:
    with pytest.raises(Invalid):
        verify(data)


WHOLE = packed({"manifest.json": json.dumps({"form": "mlops-desk-evidence/1"}).encode(), "a": b"a" * 500})


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=5))
@example([(len(WHOLE) - 10, 255)])  # the size of the directory, which then begins before the file does
@example([(len(WHOLE) - 4, 255)])  # where the directory begins
def test_a_damaged_archive_is_told_and_never_read_as_another(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(WHOLE)
    for at, value in changes:
        damaged[at] = value
    try:
        found = unpacked(bytes(damaged))
    except Invalid:
        return
    assert set(found.values()) <= set(unpacked(WHOLE).values()), "what stands in its files is what was put in"


def test_files_that_are_packed_in_another_way_are_refused() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("manifest.json", "{}")
    with pytest.raises(Invalid, match="packed in another way"):
        unpacked(held.getvalue())


def test_a_pack_that_is_cut_or_of_another_form_is_told(pack: bytes) -> None:
    for share in (1, 50, len(pack) // 2, len(pack) - 1):
        with pytest.raises(Invalid, match="no evidence pack"):
            verify(pack[:share])
    with pytest.raises(Invalid, match="'other/9'"):
        verify(packed({"manifest.json": b'{"form": "other/9"}'}))
    with pytest.raises(Invalid, match="no manifest"):
        verify(packed({"manifest.json": b"[" * 100_000}))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6), st.data())
def test_an_edit_of_any_record_is_found(texts: list[str], data: st.DataObject) -> None:
    records = chain(texts)
    whole = extract.written(records, "h")
    assert extract.trouble(whole) == (len(texts), None)
    lines = [json.loads(line) for line in whole.decode().splitlines()]
    at = data.draw(st.integers(1, len(texts)))
    member = data.draw(st.sampled_from(["number", "entry", "text", "digest", "before"]))
    lines[at][member] = lines[at][member] + 1 if member == "number" else lines[at][member] + "x"
    found = extract.trouble("".join(json.dumps(line) + "\n" for line in lines).encode())
    assert found[0] == at - 1
    assert found[1] is not None


@pytest.mark.parametrize("lines", [b"", b"{}", b"{}\n{}\n", b"\xff\n\xff\n", b"[" * 9999])
def test_what_is_no_extract_is_told(lines: bytes) -> None:
    assert extract.trouble(lines) == (0, "It is no extract of an audit.")


def test_a_record_less_than_the_last_line_says_is_missed() -> None:
    lines = extract.written(chain(["a", "b"]), None).splitlines(keepends=True)
    assert extract.trouble(b"".join([lines[0], *lines[2:]])) == (1, "Records are missing, or its last line is.")


def test_the_worker_reads_a_file_and_says_when_it_can_not(tmp_path: Path, pack: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(pack)
    assert work({"file": str(tmp_path / "a.zip"), "signer": None})["intact"] is True
    assert work({"file": str(tmp_path / "a.zip"), "signer": "SHA256:other"})["intact"] is False


def test_a_file_of_more_bytes_than_a_pack_may_have_is_refused_for_its_size(tmp_path: Path) -> None:
    big = tmp_path / "big.zip"
    for n_bytes, why in (((128 << 20) + 1, "more than 128 MiB"), (128 << 20, "no evidence pack")):
        with big.open("wb") as file:
            file.truncate(n_bytes)
        with pytest.raises(Invalid, match=why) as error:
            work({"file": str(big), "signer": None})
        assert ("128 MiB" in error.value.message) is (n_bytes > 128 << 20)

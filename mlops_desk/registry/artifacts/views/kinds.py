"""What kind a file is of: by how it begins, because anybody may name it anything; by its name where that says more."""

from pathlib import PurePosixPath

HEAD_BYTES = 512
"""How much of its beginning tells it."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"BM", "image"),
    (b"PK\x03\x04", "archive"),
    (b"PK\x05\x06", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\x00", "archive"),
    (b"PAR1", "parquet"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"GGUF", "binary"),
    (b"\x93NUMPY", "binary"),
    (b"\x7fELF", "binary"),
    (b"%PDF", "binary"),
)  # the files' own formats
_TAR_AT, _TAR = 257, b"ustar"  # POSIX.1 ustar
_WEBP_AT, _WEBP = 8, b"WEBP"  # RIFF....WEBP
_PICKLE_PROTOCOLS = range(2, 6)  # PROTO, which protocols 2 to 5 begin with
_BY_NAME = {
    "md": "markdown", "markdown": "markdown", "json": "json", "ipynb": "notebook", "html": "html", "htm": "html",
    "csv": "csv", "tsv": "csv", "safetensors": "safetensors", "onnx": "onnx", "pkl": "pickle", "pickle": "pickle",
    "joblib": "pickle",
}  # fmt: skip
_LANGUAGES = {
    "py": "python", "yaml": "yaml", "yml": "yaml", "toml": "toml", "ini": "ini", "cfg": "ini", "sh": "bash",
    "sql": "sql", "js": "javascript", "ts": "typescript", "xml": "xml", "svg": "xml", "r": "r", "cpp": "cpp",
    "c": "c", "cu": "cpp", "go": "go", "rs": "rust", "java": "java", "jsonl": "json", "dockerfile": "dockerfile",
}  # fmt: skip
_CONTROLS = bytes(sorted(set(range(32)) - set(b"\b\t\n\f\r\x1b")))
"""What no text has, not even a log with colours and bars."""
_YAML = frozenset({"mlmodel"})
_TEXTS = frozenset({"markdown", "json", "notebook", "html", "csv"})


def kind_of(path: str, head: bytes) -> str:
    """Return image, archive, parquet, hdf5, csv, notebook, safetensors, onnx, pickle, binary, or a kind of text."""
    by_name = _BY_NAME.get(_ending(path))
    by_magic = _by_magic(head)
    if by_magic is not None:
        return by_magic
    if len(head) > 1 and head[0] == 0x80 and head[1] in _PICKLE_PROTOCOLS:
        return "pickle"
    if not is_text(head):
        return by_name if by_name is not None and by_name not in _TEXTS else "binary"
    if by_name in {"onnx", "safetensors"}:
        return "text"
    return by_name or ("code" if language_of(path) else "text")


def language_of(path: str) -> str | None:
    """Return in what language a text is written, by the name of its file."""
    name = PurePosixPath(path).name.lower()
    if name in _YAML:
        return "yaml"
    return _LANGUAGES.get(_ending(path) or name)


def is_text(head: bytes) -> bool:
    """Tell whether a file begins as text in UTF-8 (or UTF-16 with its mark) does."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if head.translate(None, _CONTROLS) != head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that is cut at the end of what was read is none that is wrong.
        return error.start >= len(head) - 3 and error.reason == "unexpected end of data"
    return True


def _by_magic(head: bytes) -> str | None:
    for magic, kind in _MAGIC:
        if head.startswith(magic) and not (magic == b"BM" and is_text(head)):
            return kind
    if head[_WEBP_AT:].startswith(_WEBP) and head.startswith(b"RIFF"):
        return "image"
    return "archive" if head[_TAR_AT:].startswith(_TAR) else None


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix.lower().lstrip(".")

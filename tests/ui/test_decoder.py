"""The process that decodes pictures: which it takes, what it answers, and what it refuses without decoding it."""

import base64
import struct
import zlib

import pytest
from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.window import decoder


@pytest.fixture(autouse=True)
def unlimited(monkeypatch):
    """Leave this process its memory: the limit is the worker's own."""
    told = []
    monkeypatch.setattr(decoder, "limit_memory", told.append)
    return told


def picture(kind, width=40, height=30):
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(0xFF2080C0)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    assert image.save(buffer, kind)
    return bytes(buffer.data().data())


def asked(data, longest_side=2048):
    return decoder.work({"data": base64.b64encode(data).decode(), "longest_side": longest_side})


def decoded(answer):
    image = QImage.fromData(QByteArray(base64.b64decode(answer["png"])), "PNG")
    assert not image.isNull()
    return image


def png_that_claims(width, height):
    """Return a PNG of a few bytes whose head says that it is large."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("kind", "called"), [("PNG", "png"), ("JPG", "jpeg"), ("BMP", "bmp"), ("WEBP", "webp")])
def test_pictures_of_pixels_become_a_png_of_their_size(kind, called):
    answer = asked(picture(kind))
    assert (answer["width"], answer["height"], answer["format"]) == (40, 30, called)
    image = decoded(answer)
    assert (image.width(), image.height()) == (40, 30)
    assert abs(image.pixelColor(20, 15).green() - 0x80) < 8


def test_a_large_one_is_made_smaller_and_its_own_size_is_told():
    answer = asked(picture("PNG", 3000, 1000), longest_side=600)
    assert (answer["width"], answer["height"]) == (3000, 1000)
    image = decoded(answer)
    assert (image.width(), image.height()) == (600, 200)


def test_what_the_window_is_handed_has_at_most_four_mebibytes(monkeypatch):
    monkeypatch.setattr(decoder, "_PNG_BYTES", 2000)
    noise = QImage(256, 256, QImage.Format.Format_RGB32)
    for place in range(256 * 256):
        noise.setPixel(place % 256, place // 256, 0xFF000000 | (place * 2654435761) & 0xFFFFFF)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    noise.save(buffer, "PNG")
    answer = asked(bytes(buffer.data().data()))
    assert len(base64.b64decode(answer["png"])) <= 2000
    assert (answer["width"], decoded(answer).width() < 256) == (256, True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"\x1f\x8b compressed",
        b"P6 1 1 255 abc",
        b"#define x_width 8",
        b"\x89PNX" + b"\0" * 40,
    ],
)
def test_what_does_not_begin_like_a_picture_of_pixels_is_never_opened(data, monkeypatch):
    monkeypatch.setattr(decoder, "QImageReader", None)
    with pytest.raises(Invalid, match="no picture of a kind that is shown here"):
        asked(data)


@pytest.mark.parametrize("keep", [9, 30, 60])
def test_a_picture_that_breaks_off_is_refused_with_what_to_look_at(keep):
    with pytest.raises(Invalid, match="The picture can't be read") as refused:
        asked(picture("PNG")[:keep])
    assert refused.value.hint == "Is the file complete?"


def test_one_of_too_many_pixels_is_refused_by_its_head_alone(monkeypatch):
    def read(_self):
        raise AssertionError

    monkeypatch.setattr(decoder.QImageReader, "read", read)
    with pytest.raises(Invalid, match=r"20,000 × 20,000 pixels, which is not decoded here"):
        asked(png_that_claims(20_000, 20_000))


def test_the_limit_of_memory_is_set_before_anything_is_read(unlimited):
    with pytest.raises(Invalid):
        asked(b"")
    assert unlimited == [1 << 30]


def test_as_a_process_it_answers_and_refuses_as_it_does_here():
    given = {"data": base64.b64encode(picture("PNG")).decode(), "longest_side": 20}
    answer = run_worker("mlops_desk.kit.window.decoder", given, 20.0, {"QT_QPA_PLATFORM": "offscreen"})
    assert (answer["width"], decoded(answer).width()) == (40, 20)
    largest = {"data": base64.b64encode(png_that_claims(8000, 7900)).decode(), "longest_side": 20}
    with pytest.raises(DeskError, match="picture"):
        run_worker("mlops_desk.kit.window.decoder", largest, 20.0, {"QT_QPA_PLATFORM": "offscreen"})

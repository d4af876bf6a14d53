"""Every kind of image file opens as the RGB that a person sees."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pvt_exp.datasets import DataError
from pvt_exp.nn.images import BadImage, open_rgb

RED, WHITE = (255, 0, 0), (255, 255, 255)


def seen(path: Path) -> Any:
    image = open_rgb(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def test_greyscale_and_black_and_white(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 100).save(tmp_path / "l.png")
    assert (seen(tmp_path / "l.png") == 100).all()
    Image.new("1", (3, 2), 1).save(tmp_path / "1.png")
    assert (seen(tmp_path / "1.png") == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_greyscale_keeps_its_range(tmp_path: Path, suffix: str) -> None:
    ramp = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(ramp).save(tmp_path / f"deep.{suffix}")
    assert seen(tmp_path / f"deep.{suffix}")[0, :, 0].tolist() == [0, 1, 128, 255]


def test_16_bit_pgm(tmp_path: Path) -> None:
    (tmp_path / "deep.pgm").write_bytes(b"P5 2 1 65535\n" + struct.pack(">HH", 0, 65535))
    assert seen(tmp_path / "deep.pgm")[0, :, 2].tolist() == [0, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    path = tmp_path / "clear.png"
    (image if mode == "RGBA" else image.convert(mode)).save(path) if mode != "PA" else image.quantize(4).save(path)
    assert seen(path)[0].tolist() == [[255] * 3, [0] * 3]


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.png")
    assert seen(tmp_path / "p.png")[0].tolist() == [list(RED), [0, 255, 0]]
    image.save(tmp_path / "pt.png", transparency=1)
    assert seen(tmp_path / "pt.png")[0].tolist() == [list(RED), list(WHITE)]
    Image.new("RGB", (2, 2), RED).save(tmp_path / "key.png", transparency=RED)
    assert (seen(tmp_path / "key.png") == 255).all()
    image.save(tmp_path / "p.gif")
    assert seen(tmp_path / "p.gif")[0].tolist() == [list(RED), [0, 255, 0]]


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "ink.jpg", quality=100)
    assert np.abs(seen(tmp_path / "ink.jpg").astype(int) - RED).max() < 6


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    picture = Image.new("RGB", (16, 8), WHITE)
    picture.paste(RED, (0, 0, 4, 8))
    picture.save(tmp_path / "side.jpg", exif=exif, quality=100, subsampling=0)
    upright = seen(tmp_path / "side.jpg")
    assert upright.shape == (16, 8, 3)
    assert upright[0, 0, 1] < 60
    assert upright[-1, 0, 1] > 200


def broken_files() -> dict[str, bytes]:
    chunk = struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", zlib.crc32(chunk[4:]))
    huge = b"P5 60000 60000 255\n"
    return {
        "empty.jpg": b"",
        "text.png": b"hello",
        "header.png": header,
        "rubbish.png": header + b"\0" * 40,
        "huge.pgm": huge,
    }


@pytest.mark.parametrize("name", broken_files())
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(broken_files()[name])
    with pytest.raises(BadImage) as error:
        open_rgb(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: not a readable image: ")
    assert isinstance(error.value, DataError)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tif", "webp", "bmp"])
def test_a_truncated_file_is_bad(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.RandomState(0).randint(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadImage, match=f"cut.{suffix}"):
        open_rgb(path)


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((2, 2), dtype=np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(BadImage, match="floating-point"):
        open_rgb(tmp_path / "f.tif")


def test_a_file_that_cannot_be_read_is_no_bad_image(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_rgb(tmp_path / "gone.png")

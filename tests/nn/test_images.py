"""Every kind of image file opens as the RGB that a person sees."""

import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from pvt_exp.config import DataError
from pvt_exp.datasets import SUFFIXES
from pvt_exp.nn.data import look
from pvt_exp.nn.data.images import TURNS, BadImage, decoded, open_rgb, orientation, size_of

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


def test_a_16_bit_pgm_is_read_as_rgb(tmp_path: Path) -> None:
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


def test_cmyk_images_are_read_as_rgb(tmp_path: Path) -> None:
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
    if name == "text.png":
        assert str(error.value) == f"{tmp_path / name}: not a readable image: of no format that Pillow knows"


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


# ---------------------------------------------------------------- how it lies

CORNERS = np.zeros((24, 40, 3), dtype=np.uint8)
CORNERS[:12, :20] = RED  # upper left
SUFFIXES_WITH_EXIF = ("jpg", "png", "webp", "tif", "avif")


def lying(path: Path, way: object, **more: object) -> Path:
    """A file of `CORNERS` whose tag says how it lies."""
    exif = Image.Exif()
    exif[0x0112] = way
    for tag, value in more.items():
        exif[int(tag[1:])] = value
    Image.fromarray(CORNERS).save(path, exif=exif.tobytes(), quality=95)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES_WITH_EXIF)
@pytest.mark.parametrize("way", range(1, 9))
def test_all_eight_ways_are_turned_or_left_as_stored(tmp_path: Path, suffix: str, way: int) -> None:
    path = lying(tmp_path / f"x.{suffix}", way)
    upright = ImageOps.exif_transpose(Image.open(path)).convert("RGB")  # another's code
    assert (np.asarray(open_rgb(path)) == np.asarray(upright)).all()
    stored = np.asarray(open_rgb(path, turn=False)).astype(int)
    assert stored.shape == CORNERS.shape
    assert np.abs(stored - CORNERS).mean() < 12
    with Image.open(path) as image:
        assert orientation(image) == way
        assert size_of(image, True) == upright.size
        assert size_of(image, False) == (40, 24)


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "CMYK"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("way", range(1, 9))
def test_pixels_of_tiff_are_in_their_places(tmp_path: Path, way: int, compression: str | None, mode: str) -> None:
    """Of those without compression too, which Pillow maps from the file."""
    values = np.random.default_rng(way).integers(0, 256, (24, 40), dtype=np.uint8)
    stored = Image.fromarray(values.astype(np.uint16) if mode == "I;16" else values)
    stored = stored if mode == "I;16" else stored.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = way
    stored.save(tmp_path / "x.tif", exif=exif, compression=compression)
    upright = stored.transpose(TURNS[way]) if way > 1 else stored
    for turn, due in ((True, upright), (False, stored)):
        with Image.open(tmp_path / "x.tif") as image:
            assert np.array_equal(np.asarray(decoded(image, turn)), np.asarray(due))


def block(entries: list[tuple[int, int, int, bytes]], rest: bytes = b"", cut: int | None = None) -> bytes:
    """EXIF by hand: (tag, type, number, four bytes)."""
    tags = b"".join(struct.pack("<HHI", tag, kind, number) + value for tag, kind, number, value in entries)
    whole = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + tags + b"\0\0\0\0" + rest
    return whole[:cut]


SIX = (0x0112, 3, 1, struct.pack("<HH", 6, 0))
ODD = {
    "a text where a number is due": block([SIX, (0x011A, 2, 4, b"300\0")]),
    "a number that does not fit": block([SIX, (0x0100, 4, 1, b"\xff" * 4), (0xA002, 3, 1, b"\xff" * 4)]),
    "a pointer past the end": block([SIX, (0x010F, 2, 5000, struct.pack("<I", 99999))]),
    "an unknown type": block([SIX, (0x010F, 77, 1, b"\0" * 4)]),
    "cut off after the tag": block([SIX, (0x010F, 2, 40, b"\x60\0\0\0")], cut=8 + 10 + 12),
    "a damaged block of GPS": block([SIX, (0x8825, 4, 1, struct.pack("<I", 4))]),
    "a block of its own, too far": block([SIX, (0x8769, 4, 1, struct.pack("<I", 77777))]),
    "very long": block([SIX], rest=b"x" * 60000),
}


@pytest.mark.parametrize("odd", ODD)
def test_other_tags_of_a_photograph_may_be_odd(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "x.jpg"
    Image.fromarray(CORNERS).save(path, exif=ODD[odd], quality=95)
    assert open_rgb(path).size == (24, 40)
    assert open_rgb(path, turn=False).size == (40, 24)


def made_up(draw: random.Random, order: str, way: int) -> bytes:
    """A block of EXIF whose orientation is whole, among tags of any type, length and place."""
    others = [
        (draw.choice([0x0102, 0x010F, 0x0110, 0x011A, 0x8769, 0x8825, draw.randrange(0x0113, 1 << 16)]),
         draw.choice([1, 2, 3, 4, 5, 7, 9, 10, 12, 13, 16, 77, 0]), draw.choice([0, 1, 3, 6, 40, 1 << 20, (1 << 32) - 1]),
         struct.pack(order + "I", draw.choice([0, 8, 100, 90000, 99999, (1 << 32) - 1])))
        for _ in range(draw.randint(0, 6))
    ]  # fmt: skip
    others.insert(draw.randint(0, len(others)), (0x0112, 3, 1, struct.pack(order + "HH", way, 0)))
    tags = b"".join(struct.pack(order + "HHI", tag, kind, number) + value for tag, kind, number, value in others)
    start = draw.choice([8, 8, 26])
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head.ljust(start, b"\0") + struct.pack(order + "H", len(others)) + tags + b"\0\0\0\0"


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "old.png"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.filterwarnings("ignore")
def test_an_orientation_that_is_whole_is_read_whatever_stands_beside_it(
    tmp_path: Path, suffix: str, order: str
) -> None:
    draw, path = random.Random(f"{suffix}{order}"), tmp_path / f"x.{suffix}"
    for _ in range(60):
        way = draw.randint(1, 8)
        tags = made_up(draw, order, way)
        if suffix == "old.png":  # as ImageMagick writes it
            info = PngImagePlugin.PngInfo()
            info.add_text("Raw profile type exif", f"\nexif\n{len(tags)}\n{tags.hex()}\n", zip=True)
            Image.fromarray(CORNERS).save(path, pnginfo=info)
        else:
            Image.fromarray(CORNERS).save(path, exif=b"Exif\0\0" + tags, quality=95)
        with Image.open(path) as image:
            assert orientation(image) == way, tags.hex()
            assert size_of(image, True) == ((24, 40) if way > 4 else (40, 24))
        red_YX = np.asarray(open_rgb(path))[:, :, 0] > 128
        stored = Image.fromarray(CORNERS[:, :, 0])
        lies_YX = np.asarray(stored.transpose(TURNS[way]) if way > 1 else stored) > 128
        assert (red_YX == lies_YX).mean() > 0.95


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("way", range(1, 9))
@pytest.mark.filterwarnings("ignore")
def test_a_whole_orientation_of_a_tiff_is_read_whatever_stands_beside_it(
    tmp_path: Path, order: str, big: bool, way: int
) -> None:
    """Whose tags need not be sorted: one that points nowhere, between those of the pixels and the orientation."""
    word, place = ("Q", 16) if big else ("I", 8)
    pixels = np.ascontiguousarray(CORNERS[:, :, 0]).tobytes()
    entries = [
        (0x100, 3, 40),
        (0x101, 3, 24),
        (0x102, 3, 8),
        (0x103, 3, 1),
        (0x106, 3, 1),
        (0x111, 4, 400),
        (0x115, 3, 1),
    ]
    entries += [(0x116, 3, 24), (0x117, 4, len(pixels)), (0x10F, 2, 99999), (0x0112, 3, way)]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HHQ", 8, 0, place) if big else struct.pack(order + "I", place)
    tags = struct.pack(order + ("Q" if big else "H"), len(entries))
    for tag, kind, value in entries:
        held = struct.pack(order + {2: word, 3: "H", 4: "I"}[kind], value).ljust(struct.calcsize("=" + word), b"\0")
        tags += struct.pack(order + "HH" + word, tag, kind, 60 if kind == 2 else 1) + held
    path = tmp_path / "x.tif"
    path.write_bytes((head + tags).ljust(400, b"\0") + pixels)
    stored = Image.fromarray(CORNERS[:, :, 0])
    upright = stored.transpose(TURNS[way]) if way > 1 else stored
    for turn, due in ((True, upright), (False, stored)):
        with Image.open(path) as image:
            assert orientation(image) == way
            assert size_of(image, turn) == due.size
            assert np.array_equal(np.asarray(decoded(image, turn)), np.asarray(due))


@pytest.mark.parametrize(
    ("value", "way"),
    [
        ((0x0112, 3, 1, struct.pack("<HH", 0, 0)), 1),
        ((0x0112, 3, 1, struct.pack("<HH", 9, 0)), 1),
        ((0x0112, 2, 2, b"6\0\0\0"), 6),
        ((0x0112, 2, 4, b"top\0"), 1),
        ((0x0112, 2, 2, b"\xb2\0\0\0"), 1),  # a superscript 2, which str.isdigit takes for a digit
        ((0x0112, 3, 2, struct.pack("<HH", 6, 6)), 6),
        ((0x0112, 4, 1, struct.pack("<I", 8)), 8),
        ((0x0112, 7, 1, b"\x06\0\0\0"), 1),
    ],
)
def test_an_odd_orientation_is_none_or_what_it_plainly_says(tmp_path: Path, value: Any, way: int) -> None:
    path = tmp_path / "x.jpg"
    Image.fromarray(CORNERS).save(path, exif=block([value]), quality=95)
    with Image.open(path) as image:
        assert orientation(image) == way
    assert open_rgb(path).size == ((24, 40) if way > 4 else (40, 24))


def test_the_tag_may_stand_in_xmp(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    Image.fromarray(CORNERS).save(tmp_path / "x.jpg", xmp=xmp)
    assert open_rgb(tmp_path / "x.jpg").size == (24, 40)


# ---------------------------------------------------------------- depth

RAMP = np.array([[100, 1100, 2100, 4195]])


@pytest.mark.parametrize("kind", ["<u2 tif", "<u2 png", "<i4 tif", "<f4 tif", ">u2 tif"])
def test_the_values_of_black_and_white_can_be_said(tmp_path: Path, kind: str) -> None:
    dtype, suffix = kind.split()
    path = tmp_path / f"deep.{suffix}"
    if dtype == ">u2":
        big = RAMP.astype(">u2")
        Image.frombytes("I;16B", (4, 1), big.tobytes()).save(path)
    else:
        Image.fromarray(RAMP.astype(dtype)).save(path)
    values = np.asarray(open_rgb(path, levels=(100, 4195)))[0, :, 0]
    assert values.tolist() == [0, 62, 125, 255]
    assert np.asarray(open_rgb(path, levels=(1100, 2100)))[0, :, 0].tolist() == [0, 0, 255, 255]


def test_the_range_changes_no_image_of_8_bits(tmp_path: Path) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "CMYK"):
        path = tmp_path / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}"
        Image.linear_gradient("L").convert(mode).save(path)
        assert (np.asarray(open_rgb(path, levels=(0, 10))) == np.asarray(open_rgb(path))).all()


# ---------------------------------------------------------------- before launch


def test_a_look_counts_what_is_turned_and_what_is_flat(tmp_path: Path) -> None:
    for n in range(6):
        lying(tmp_path / f"{n}.jpg", 3 if n < 2 else 1)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    names = [path.name for path in sorted(tmp_path.iterdir())]
    seen = look.pictures(tmp_path, names, True, None)
    none = {"frames": [], "of_other_size": [], "flat": [], "values": None, "beyond": [], "clipped": 0, "pixels": 0}
    assert seen == {"looked_at": 7, "turned": ["0.jpg", "1.jpg"], "decoded": 6, "unreadable": ["broken.jpg"], **none}
    Image.fromarray((RAMP // 16).astype(np.uint16)).save(tmp_path / "small.png")
    seen = look.pictures(tmp_path, ["small.png"], True, None)
    assert seen["flat"] == ["small.png"]
    assert seen["values"] == [6, 262]
    assert (seen["beyond"], seen["clipped"]) == ([], 0)
    assert look.pictures(tmp_path, ["small.png"], True, (6, 262))["flat"] == []
    seen = look.pictures(tmp_path, ["small.png"], True, (7, 262))
    assert (seen["beyond"], seen["clipped"]) == (["small.png"], int((RAMP // 16 < 7).sum()))


def test_every_suffix_that_is_taken_is_one_that_pillow_opens() -> None:
    Image.init()
    opened = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN or kind == "MPO"}
    assert opened >= SUFFIXES
    icons, drawings = {".cur", ".icns", ".ico", ".xbm", ".xpm"}, {".emf", ".eps", ".ps", ".wmf"}
    films = {".dcx", ".flc", ".fli", ".mpeg", ".mpg"}
    programs = {".blp", ".ftc", ".ftu", ".gbr", ".iim", ".im", ".msp", ".pcd", ".psd", ".pxr"}
    science = {".bufr", ".fit", ".fits", ".grib", ".h5", ".hdf"}
    assert opened - SUFFIXES <= icons | drawings | films | programs | science

"""Pictures: what is on an image shows, where it is and in its class's colour; truth stands beside prediction."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.nn.data.images import BadImage
from pvt_exp.nn.pictures import draw as pictures
from pvt_exp.nn.pictures import paint
from pvt_exp.nn.tasks import val_pictures
from pvt_exp.tracking import logger
from tests.conftest import real_data

NAMES = ("disc", "square", "a class with a long name")
GREY = Image.new("RGB", (64, 64), (128, 128, 128))
SCALE = paint.LEAST_PX // 64


def pixels(image: Image.Image) -> Any:
    return np.asarray(image).astype(int)


def things(**more: Any) -> dict[str, Any]:
    return {"boxes": torch.tensor([[8.0, 30, 40, 60]]), "labels": torch.tensor([1]), **more}


def has(image: Any, colour: paint.Colour) -> bool:
    return bool((image == colour).all(2).any())


def test_colours_are_told_apart_and_never_change() -> None:
    colours = [paint.colour(n) for n in range(150)]
    assert len(set(colours)) == 150
    assert colours[:2] == [(31, 119, 180), (255, 127, 14)]
    first = np.array(colours[:20])
    apart = np.abs(first[:, None] - first[None]).sum(2) + 1000 * np.eye(20, dtype=int)
    assert apart.min() >= 48
    assert len(paint.palette()) == 3 * 256


def test_a_box_is_where_it_is_and_in_its_classs_colour() -> None:
    picture = pictures.objects(GREY, NAMES, things())
    assert picture.width == 64 * SCALE, "small images are enlarged"
    drawn = pixels(picture)[: 64 * SCALE]
    changed = (drawn != 128).any(2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    label = paint.TEXT_PX + 4
    assert (rows[0], rows[-1]) == (30 * SCALE - label, 60 * SCALE - 1)
    assert (columns[0], columns[-1]) == (8 * SCALE, 40 * SCALE - 1)
    assert (drawn[60 * SCALE - 1, 8 * SCALE : 40 * SCALE] == paint.colour(1)).all()
    assert not changed[32 * SCALE : 58 * SCALE, 10 * SCALE : 38 * SCALE].any(), "a box is not filled"


def test_what_scores_little_is_left_out() -> None:
    found = {
        "boxes": torch.tensor([[2.0, 20, 20, 40], [30, 20, 60, 40]]),
        "labels": torch.tensor([0, 1]),
        "scores": torch.tensor([0.9, 0.3]),
    }
    drawn = pixels(pictures.objects(GREY, NAMES, found, least=0.5))
    assert has(drawn, paint.colour(0))
    assert not has(drawn, paint.colour(1))
    assert has(pixels(pictures.objects(GREY, NAMES, found, least=0.2)), paint.colour(1))


def test_masks_are_filled_and_outlined() -> None:
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 30:60, 8:24] = True
    drawn = pixels(pictures.objects(GREY, NAMES, things(masks=mask)))
    inside, beside = drawn[45 * SCALE, 16 * SCALE], drawn[45 * SCALE, 30 * SCALE]
    np.testing.assert_allclose(inside, 0.6 * 128 + 0.4 * np.array(paint.colour(1)), atol=1)
    assert (beside == 128).all(), "in the box and not in the mask"
    assert (drawn[45 * SCALE, 24 * SCALE - 1] == paint.colour(1)).all()


def test_nothing_is_drawn_where_nothing_is() -> None:
    empty = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int), "masks": np.zeros((0, 64, 64))}
    picture = pictures.objects(GREY, NAMES, empty)
    assert picture.size == (320, 320)
    assert (pixels(picture) == 128).all()


def test_truth_stands_beside_prediction_over_one_legend() -> None:
    truth = {**things(), "crowd": np.array([True])}
    found = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long), "scores": torch.zeros(0)}
    picture = pictures.objects(GREY, NAMES, found, truth)
    head = paint.TEXT_PX + 2 * paint.PAD
    left, right = pixels(picture)[head : head + 320, :320], pixels(picture)[head : head + 320, 326:]
    assert has(left, paint.colour(1))
    assert (right == 128).all()
    below = pixels(picture)[head + 320 :]
    assert has(below, paint.colour(1)), "the legend has the class"
    assert not has(below, paint.colour(0)), "and no class that is not there"


def test_many_objects_do_not_hide_one_another_behind_labels() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (100, 2))
    many = {"boxes": np.hstack([corners, corners + 3]), "labels": np.zeros(100, int)}
    drawn = pixels(pictures.objects(GREY, NAMES, many))[:320]
    assert (drawn == 128).all(2).mean() > 0.3


@pytest.mark.parametrize("where", [(0, 0, 1, 1), (0.9, 0.9, 1, 1), (0.4, 0, 0.6, 0.01), (0, 0.99, 1, 1)])
def test_labels_stay_on_the_picture_and_apart(where: tuple[float, ...]) -> None:
    size, taken = (640, 426), list[paint.Box]()
    box = (where[0] * 640, where[1] * 426, where[2] * 640, where[3] * 426)
    draw = ImageDraw.Draw(Image.new("RGB", size))
    for _ in range(2):
        paint.tag(draw, box, "a name", (0, 0, 0), size, taken, True)
    for left, top, right, bottom in taken:
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 426
    assert taken[0][1] >= taken[1][3] or taken[1][1] >= taken[0][3]


@pytest.mark.parametrize("size", [(1, 1), (3000, 200), (20, 900)])
def test_any_shape_can_be_drawn_on(size: tuple[int, int]) -> None:
    image, truth = Image.new("RGB", size), np.full(size[::-1], 1)
    for picture in (pictures.objects(image, NAMES, things()), pictures.regions(image, NAMES, truth)):
        assert has(pixels(picture), paint.colour(1)), "at least in the legend"
        assert picture.width <= max(paint.MOST_PX, paint.LEAST_PX)


def test_a_map_of_classes_and_its_legend() -> None:
    true = np.zeros((64, 64), np.uint8)
    true[:, 32:], true[:8] = 2, 255
    picture = pixels(pictures.regions(GREY, NAMES, torch.full((64, 64), 2), true))
    head = paint.TEXT_PX + 2 * paint.PAD
    tinted = [(0.4 * 128 + 0.6 * np.array(paint.colour(n))).astype(int) for n in (0, 2)]
    assert (picture[head + 60 * SCALE, 10 * SCALE] == tinted[0]).all()
    assert (picture[head + 60 * SCALE, 50 * SCALE] == tinted[1]).all()
    assert (picture[head + 2 * SCALE, 10 * SCALE] == int(0.4 * 128)).all(), "ignored is black"
    assert (picture[head + 2 * SCALE, 326 + 10 * SCALE] == tinted[1]).all(), "and the prediction is there too"
    below = picture[head + 320 :]
    assert has(below, paint.colour(0))
    assert has(below, paint.colour(2))
    assert not has(below, paint.colour(1))


def test_the_names_of_classes_stand_under_the_image() -> None:
    probabilities = torch.tensor([0.1, 0.7, 0.2])
    right, wrong = (pixels(pictures.classes(GREY, NAMES, probabilities, truth)) for truth in (1, 0))
    assert (right[:320] == 128).all()
    assert has(right[320:350], pictures.RIGHT)
    assert has(wrong[320:350], pictures.WRONG)
    bars = (right[320:] == (205, 225, 245)).all(2).sum(1)
    rows = np.flatnonzero(bars)
    assert bars[rows[0]] > 2 * bars[rows[-1]] > 0, "the likeliest class first, with the longest bar"


@pytest.mark.parametrize("task", ["detection", "instance"])
def test_ground_truth_of_real_data(task: str) -> None:
    from pvt_exp.datasets.coco import Settings

    root = real_data("coco_tiny100")
    settings = Settings()
    names, samples = settings.inspect(root).class_names(task), settings.open(root, "val", task)
    index = max(range(len(samples)), key=lambda n: len(samples[n][1]["labels"]))
    image, truth = samples[index]
    picture = pixels(pictures.objects(image, names, {**truth, "scores": np.ones(len(truth["labels"]))}, truth))
    for label in set(truth["labels"].tolist()):
        assert has(picture, paint.colour(label)), names[label]


# ---------------------------------------------------------------- a few images of validation


def test_places_are_spread_evenly() -> None:
    assert val_pictures.spread(100, 4) == [0, 25, 50, 75]
    assert val_pictures.spread(3) == [0, 1, 2]
    assert val_pictures.spread(0) == []


class Samples:
    """Images of which one cannot be read."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        if index == 1:
            raise BadImage("1.png: torn")
        return GREY, 2


def module(experiment: Path) -> Any:
    run = config.load(Run, experiment)
    return run.task.build(run)


def test_an_image_that_cannot_be_read_is_left_out(experiment: Path, tmp_path: Path) -> None:
    drawn = val_pictures.write(module(experiment), Samples(), tmp_path / "pictures", "cpu")  # type: ignore[arg-type]
    assert [path.name for path in drawn] == ["000000.jpg", "000002.jpg"]
    assert all(Image.open(path).width == 320 for path in drawn)


def test_pictures_that_fail_fail_nothing(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert val_pictures.write(module(experiment), Samples(), tmp_path / "file", "cpu") == []  # type: ignore[arg-type]
    broken = module(experiment)
    monkeypatch.setattr(broken, "predict", SimpleNamespace())
    assert val_pictures.write(broken, Samples(), tmp_path / "pictures", "cpu") == []  # type: ignore[arg-type]
    assert capsys.readouterr().out.count("no more pictures of validation than 0") == 2


def test_w_and_b_is_told_the_pictures_and_the_table_of_classes(tmp_path: Path) -> None:
    path = val_pictures.save(GREY, tmp_path / "000003.jpg")
    lines = [{"class": "disc", "instances": 3, "AP": 41.5}, {"class": "square", "instances": 0, "AP": None}]
    told = logger._shown([path], lines)
    assert [image._caption for image in told["val/pictures"]] == ["000003"]
    assert told["val/per_class"].columns == ["class", "instances", "AP"]
    assert told["val/per_class"].data == [["disc", 3, 41.5], ["square", 0, None]]
    assert logger._shown([], []) == {}

"""COCO's figures are those of pycocotools, called here as its own demo calls it."""

import contextlib
import copy
import io
import json
import sys
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pvt_exp.nn.scores.coco_eval import Engine, Kind, Scores, evaluate
from pvt_exp.nn.scores.detections import Detections, encode
from tests.conftest import real_data

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
HEIGHT, WIDTH = 130, 150
ENGINES: tuple[Engine, ...] = ("fast", "reference")
Json = dict[str, Any]


def peer(truth: Json, found: list[Json], kind: Kind) -> tuple[list[float], list[tuple[float, float]]]:
    """The twelve figures, and AP and AP50 of each category by its id; -1 where there is no ground truth."""
    truth, found = copy.deepcopy((truth, found))
    if kind == "masks":  # with a box it takes the box's area, and masks fall into the wrong size class
        found = [{name: value for name, value in each.items() if name != "bbox"} for each in found]
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = truth
        ground.createIndex()
        run = COCOeval(ground, ground.loadRes(found), {"boxes": "bbox", "masks": "segm"}[kind])
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"][..., 0, -1]
    classes = [
        tuple(100 * s[s > -1].mean() if (s > -1).any() else -1 for s in (precision[:, :, k], precision[0, :, k]))
        for k in range(precision.shape[2])
    ]
    return [100 * value if value > -1 else -1 for value in run.stats], classes  # type: ignore[return-value]


def figures(scores: Scores) -> list[float]:
    """The twelve, with -1 again for what is left out."""
    assert set(scores.metrics) <= set(NAMES)
    return [scores.metrics.get(name, -1) for name in NAMES]


def rows(scores: Scores) -> list[tuple[float, float]]:
    return [(-1 if c.ap is None else c.ap, -1 if c.ap50 is None else c.ap50) for c in scores.classes]


def check(scores: Scores, expected: tuple[list[float], list[tuple[float, float]]]) -> None:
    np.testing.assert_allclose(figures(scores), expected[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(rows(scores), expected[1], rtol=0, atol=1e-6)


# ---------------------------------------------------------------- the official results


def read(folder: str, name: str) -> Any:
    return json.loads((real_data(folder) / name).read_text())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("case", "kind", "folder", "truth", "found"),
    [
        (
            "official_bbox",
            "boxes",
            "eval_coco_fixtures",
            "instances_val2014_100",
            "instances_val2014_fakebbox100_results",
        ),
        (
            "official_segm",
            "masks",
            "eval_coco_fixtures",
            "instances_val2014_100",
            "instances_val2014_fakesegm100_results",
        ),
        (
            "perturbed_bccd_val_bbox",
            "boxes",
            "det_bccd",
            "annotations/instances_val",
            "perturbed_bccd_val_bbox_results",
        ),
    ],
)
def test_the_fixtures_have_their_published_figures(
    case: str, kind: Kind, folder: str, truth: str, found: str, engine: Engine
) -> None:
    expected = read("eval_coco_fixtures", "expected_stats.json")["cases"][case]
    ground, detections = read(folder, f"{truth}.json"), read("eval_coco_fixtures", f"{found}.json")
    scores = evaluate(ground, detections, kind, engine=engine)
    np.testing.assert_allclose(figures(scores), [100 * expected["stats"][n] for n in NAMES], rtol=0, atol=1e-6)
    check(scores, peer(ground, detections, kind))
    for each, (_, published) in zip(scores.classes, sorted_by_id(expected.get("per_class_AP", {})), strict=False):
        assert each.ap == (None if published is None else pytest.approx(100 * published, abs=1e-6))
    assert [each.name for each in scores.classes] == [c["name"] for c in sorted(ground["categories"], key=by_id)]


def by_id(each: Json) -> int:
    return int(each["id"])


def sorted_by_id(published: dict[str, float | None]) -> list[tuple[str, float | None]]:
    return sorted(published.items(), key=lambda item: int(item[0]))


# ---------------------------------------------------------------- generated data


def blob(draw: np.random.Generator, x: float, y: float, w: float, h: float) -> Json:
    """RLE of a rectangle, half of the time with a corner cut off."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1] = 1
    if draw.random() < 0.5:
        mask[int(y) : int(y + h / 3), int(x) : int(x + w / 3)] = 0
    return encode(torch.from_numpy(mask)[None])[0]


def generated(seed: int) -> tuple[Json, list[Json]]:
    """Few score values, so many are equal; sparse ids, crowds, all sizes, images without objects or detections."""
    draw = np.random.default_rng(seed)
    categories = [{"id": int(i), "name": f"class {i}"} for i in draw.choice(90, 6, replace=False) + 1]
    images = [{"id": int(i), "height": HEIGHT, "width": WIDTH} for i in draw.choice(10**6, 10, replace=False)]
    truth: list[Json] = []
    found: list[Json] = []
    for n, image in enumerate(images):
        for _ in range(0 if n == 3 else int(draw.integers(1, 14))):
            w, h = draw.uniform(2, 120, 2)
            box = np.array([draw.uniform(0, WIDTH - w - 1), draw.uniform(0, HEIGHT - h - 1), w, h])
            box = box.round() if draw.random() < 0.5 else box
            mask = blob(draw, *box)
            category = categories[draw.integers(5)]["id"]  # the sixth has no instance
            each = {"id": len(truth) + 1, "image_id": image["id"], "category_id": category, "segmentation": mask}
            crowd = int(draw.random() < 0.15)
            truth.append({**each, "bbox": box.tolist(), "area": float(rle.area(mask)), "iscrowd": crowd})
            for _ in range(0 if n == 5 else int(draw.integers(4))):
                moved = box + draw.normal(0, draw.choice([0, 2, 8]), 4)
                moved = np.clip(moved, [0, 0, 1, 1], [WIDTH - 2, HEIGHT - 2, WIDTH, HEIGHT])
                label = category if draw.random() < 0.8 else categories[draw.integers(6)]["id"]
                each = {"image_id": image["id"], "category_id": label, "score": float(draw.integers(8) / 8)}
                found.append({**each, "bbox": moved.tolist(), "segmentation": blob(draw, *moved)})
    # In an image without objects, many of one class; and one object with many around it.
    for image, (x, y) in ((images[3], (5, 5)), (images[0], (40, 30))):
        for _ in range(13):
            box = [x + float(draw.normal()), y + float(draw.normal()), 30.0, 20.0]
            each = {"image_id": image["id"], "category_id": truth[0]["category_id"], "score": 0.5}
            found.append({**each, "bbox": box, "segmentation": blob(draw, *box)})
    draw.shuffle(found)  # type: ignore[arg-type]
    return {"images": images, "annotations": truth, "categories": categories}, found


SEEDS = range(12)


def test_the_generated_data_have_what_is_hard() -> None:
    for seed in SEEDS:
        truth, found = generated(seed)
        of_objects, of_found = ({each["image_id"] for each in many} for many in (truth["annotations"], found))
        images = {each["id"] for each in truth["images"]}
        assert images - of_objects
        assert of_objects - of_found
        assert of_found - of_objects
        assert sum(each["iscrowd"] for each in truth["annotations"]) > 1
        assert len({each["score"] for each in found}) < len(found) / 5
        assert max(each["id"] for each in truth["categories"]) > 2 * len(truth["categories"])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["boxes", "masks"])
@pytest.mark.parametrize("seed", SEEDS)
def test_generated_data_have_the_figures_of_pycocotools(seed: int, kind: Kind, engine: Engine) -> None:
    truth, found = generated(seed)
    scores = evaluate(truth, found, kind, engine=engine)
    check(scores, peer(truth, found, kind))
    assert scores.computed_by == {"fast": "faster-coco-eval", "reference": "pycocotools"}[engine]
    objects = [each["category_id"] for each in truth["annotations"] if not each["iscrowd"]]
    ids = sorted(each["id"] for each in truth["categories"])
    assert [(each.name, each.instances) for each in scores.classes] == [(f"class {i}", objects.count(i)) for i in ids]
    assert sum(each.ap is None for each in scores.classes) >= 1
    assert 0 < scores.metrics["AP"] < 100


# ---------------------------------------------------------------- one case each


def one(*boxes: list[float], **fields: Any) -> Json:
    """One image of 600 x 400 with an object of class 7 in each box."""
    objects = [
        {"id": n, "image_id": 1, "category_id": 7, "bbox": box, "area": box[2] * box[3], "iscrowd": 0, **fields}
        for n, box in enumerate(boxes, 1)
    ]
    categories = [{"id": 7, "name": "seven"}]
    return {"images": [{"id": 1, "height": 400, "width": 600}], "annotations": objects, "categories": categories}


def hits(*boxes: list[float], **fields: Any) -> list[Json]:
    return [
        {"image_id": 1, "category_id": 7, "bbox": box, "score": 0.9 - n / 1000, **fields} for n, box in enumerate(boxes)
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_found_is_zero_and_no_truth_is_no_figure(engine: Engine) -> None:
    medium = one([10, 10, 50, 50])
    scores = evaluate(medium, [], engine=engine)
    assert scores.metrics == dict.fromkeys(("AP", "AP50", "AP75", "APm", "AR1", "AR10", "AR100", "ARm"), 0.0)
    assert [(c.name, c.ap, c.ap50, c.instances) for c in scores.classes] == [("seven", 0.0, 0.0, 1)]
    for empty in (one(), one([10, 10, 50, 50], iscrowd=1), {**one(), "images": []}):
        scores = evaluate(empty, hits([10, 10, 50, 50]) if empty["images"] else [], engine=engine)
        assert scores.metrics == {}
        assert [(c.ap, c.instances) for c in scores.classes] == [(None, 0)]


@pytest.mark.parametrize("engine", ENGINES)
def test_more_than_a_hundred_objects_can_count(engine: Engine) -> None:
    boxes = [[float(x), float(y), 8.0, 8.0] for x in range(0, 600, 20) for y in range(0, 60, 10)][:151]
    truth, found = one(*boxes), hits(*boxes)
    full = evaluate(truth, found, max_dets=151, engine=engine).metrics
    assert full["AP"] == full["APs"] == full["AR151"] == full["ARs"] == pytest.approx(100)
    assert full["AR10"] == pytest.approx(1000 / 151)
    cut = evaluate(truth, found, engine=engine).metrics
    assert cut["AR100"] == pytest.approx(10000 / 151)
    assert cut["AP"] == pytest.approx(100 * 67 / 101)  # the recalls 0.00 to 0.66
    few = evaluate(truth, found, max_dets=5, engine=engine).metrics
    assert [name for name in few if name[2:].isdigit() and name.startswith("AR")] == ["AR1", "AR5"]
    assert few["AR5"] == pytest.approx(500 / 151)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_annotation_may_have_any_id(engine: Engine) -> None:
    boxes = [[10.0, 10.0, 50.0, 50.0], [200.0, 100.0, 20.0, 20.0]]
    truth = one(*boxes)
    for ids in ((0, 1), (5, 5), (2**40, 3)):
        for each, number in zip(truth["annotations"], ids, strict=True):
            each["id"] = number
        assert evaluate(truth, hits(*boxes), engine=engine).metrics["AP"] == pytest.approx(100)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mask_is_as_large_as_it_is_and_not_as_its_box(engine: Engine) -> None:
    # Two small masks, the first found only as part of something whose box is large, and which is more sure.
    def mask(*boxes: list[float]) -> Json:
        return rle_of(boxes)

    small = [10.0, 10.0, 20.0, 20.0]
    truth = one(small, segmentation=mask(small))
    thin = {
        **hits([10, 300, 300, 2])[0],
        "bbox": [10, 300, 300, 95],
        "score": 0.99,
        "segmentation": mask([10, 300, 300, 2]),
    }
    found = [thin, *hits(small, segmentation=mask(small))]
    scores = evaluate(truth, found, "masks", engine=engine)
    check(scores, peer(truth, found, "masks"))
    assert scores.metrics["APs"] == pytest.approx(50)  # the thin one has 600 pixels and counts against the small ones


def rle_of(boxes: tuple[list[float], ...]) -> Json:
    mask = torch.zeros(1, 400, 600)
    for x, y, w, h in boxes:
        mask[0, int(y) : int(y + h), int(x) : int(x + w)] = 1
    return encode(mask)[0]


@pytest.mark.parametrize("kind", ["boxes", "masks"])
@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_printed_and_nothing_is_changed(
    engine: Engine, kind: Kind, capfd: pytest.CaptureFixture[str]
) -> None:
    truth, found = generated(0)
    before = copy.deepcopy((truth, found))
    first = evaluate(truth, found, kind, engine=engine)
    assert (truth, found) == before
    assert evaluate(truth, found, kind, engine=engine) == first
    assert capfd.readouterr().out == ""


def test_without_the_fast_library_the_reference_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, found = generated(1)
    fast = evaluate(truth, found)
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    slow = evaluate(truth, found)
    assert (fast.computed_by, slow.computed_by) == ("faster-coco-eval", "pycocotools")
    assert figures(slow) == pytest.approx(figures(fast), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"image_id": 2}, "boxes", "detection 1 is of image 2, which the ground truth does not have"),
        ({"category_id": 0}, "boxes", "detection 1 is of category 0"),
        ({"score": float("nan")}, "boxes", r"detection 1 \(image 1\) has a score or a box that is NaN"),
        ({"bbox": [0, 0, float("inf"), 1]}, "boxes", "NaN or infinite"),
        ({"bbox": None}, "boxes", r"detection 1 \(image 1\) has no bbox"),
        ({}, "masks", r"has no segmentation, so that masks cannot be scored"),
        ({"segmentation": encode(torch.ones(1, 4, 6))[0]}, "masks", "a mask of 4 x 6 in image 1 of 400 x 600"),
    ],
)
def test_a_bad_detection_is_told(change: Json, kind: Kind, said: str) -> None:
    truth = one([10, 10, 50, 50], segmentation=rle_of(([10, 10, 50, 50],)))
    with pytest.raises(ValueError, match=said):
        evaluate(truth, [{**hits([10, 10, 50, 50])[0], **change}], kind)


def test_a_truth_without_masks_is_told() -> None:
    with pytest.raises(ValueError, match="annotation 1 has no segmentation, so that masks cannot be scored"):
        evaluate(one([10, 10, 50, 50]), [], "masks")


# ---------------------------------------------------------------- collecting


def predictions(
    truth: Json, found: list[Json], dtype: torch.dtype = torch.float64
) -> dict[int, dict[str, torch.Tensor]]:
    """The detections as a model gives them, by image; labels count the categories in the order of their ids."""
    ids = sorted(each["id"] for each in truth["categories"])
    out = {}
    for image in truth["images"]:
        here = [each for each in found if each["image_id"] == image["id"]]
        boxes = torch.tensor([each["bbox"] for each in here], dtype=torch.float64).reshape(-1, 4)
        masks = [torch.from_numpy(rle.decode(each["segmentation"])) for each in here]
        out[image["id"]] = {
            "boxes": torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1).to(dtype),
            "scores": torch.tensor([each["score"] for each in here], dtype=dtype),
            "labels": torch.tensor([ids.index(each["category_id"]) for each in here], dtype=torch.int64),
            "masks": torch.stack(masks).bool() if masks else torch.zeros(0, HEIGHT, WIDTH, dtype=torch.bool),
        }
    return out


def collector(truth: Json) -> Detections:
    return Detections(truth, sorted(each["id"] for each in truth["categories"]), ("boxes", "masks"))


def test_what_is_collected_scores_as_the_lists_do() -> None:
    truth, found = generated(2)
    by_image = predictions(truth, found)
    before = copy.deepcopy(by_image)
    all_at_once, one_by_one = collector(truth), collector(truth)
    all_at_once.update(list(by_image), list(by_image.values()))
    for image in reversed(by_image):
        one_by_one.update([image], [by_image[image]])
    for kind, scores in all_at_once.compute().items():
        check(scores, peer(truth, found, kind))
        assert scores == one_by_one.compute()[kind]
    for image, each in before.items():
        assert all(torch.equal(each[name], by_image[image][name]) for name in each)
    assert json.loads(json.dumps(all_at_once.results())) == all_at_once.results()


def test_what_is_collected_is_small_and_can_be_forgotten() -> None:
    truth, found = generated(2)
    by_image = predictions(truth, found, torch.float32)
    collected = collector(truth)
    collected.update(list(by_image), list(by_image.values()))
    masks = [each["segmentation"]["counts"] for each in collected.results()]
    assert len(masks) == len(found)
    assert max(map(len, masks)) < HEIGHT * WIDTH / 50
    with pytest.raises(ValueError, match="was handed in twice"):
        collected.update(list(by_image)[:1], list(by_image.values())[:1])
    collected.reset()
    assert collected.results() == []
    assert collected.compute()["masks"].metrics["AP"] == 0
    collected.update(list(by_image), list(by_image.values()))
    assert len(collected.results()) == len(found)


def test_an_image_that_cannot_be_read_counts_for_nothing() -> None:
    truth, found = generated(2)
    by_image = predictions(truth, found)
    lost, *read = by_image
    collected = collector(truth)
    collected.update(read, [by_image[image] for image in read])
    without = {
        **truth,
        "images": [each for each in truth["images"] if each["id"] != lost],
        "annotations": [each for each in truth["annotations"] if each["image_id"] != lost],
    }
    for kind, scores in collected.compute(unread=1).items():
        check(scores, peer(without, [each for each in found if each["image_id"] != lost], kind))
        assert scores != collected.compute()[kind]
    with pytest.raises(ValueError, match="2 skipped, of"):
        collected.compute(unread=2)


def test_half_precision_and_gradients_are_taken() -> None:
    truth = one([10.0, 10.0, 50.0, 50.0])
    collected = Detections(truth, [7])
    box = torch.tensor([[10, 10, 60, 60]], dtype=torch.bfloat16, requires_grad=True)
    score = torch.tensor([0.5], dtype=torch.bfloat16, requires_grad=True)
    collected.update([1], [{"boxes": box, "scores": score, "labels": torch.tensor([0])}])
    assert collected.compute()["boxes"].metrics["AP"] == pytest.approx(100)
    assert list(collected.compute()) == ["boxes"]


def test_encoding_is_read_back() -> None:
    masks = torch.rand(5, 7, 11, generator=torch.Generator().manual_seed(0)) < 0.4
    read_back = [rle.decode(each) for each in encode(masks)]
    assert np.array_equal(np.stack(read_back), masks.numpy())
    assert encode(masks[:0]) == []


@pytest.mark.parametrize("kind", ["boxes", "masks"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("to", [lambda n: 2**53 + n, lambda n: 2**62 - 1 - n, lambda n: -n, lambda n: -(2**61) + 3 * n])
def test_ids_of_any_size_score_alike(kind: Kind, engine: Engine, to: Any) -> None:
    """As pycocotools scores them; of images and of categories, which no floating-point number tells apart."""
    truth, found = generated(5)
    for each in truth["images"]:
        each["id"] = to(each["id"])
    for each in truth["categories"]:
        each["id"] = to(each["id"])
    for each in (*truth["annotations"], *found):
        each["image_id"], each["category_id"] = to(each["image_id"]), to(each["category_id"])
    for n, each in enumerate(truth["annotations"], 1):
        each["id"] = 2**55 + n
    before = copy.deepcopy((truth, found))
    check(evaluate(truth, found, kind, engine=engine), peer(truth, found, kind))
    assert (truth, found) == before

"""``predict`` and ``evaluate`` as a user types them, on small runs of all four tasks."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from PIL import Image
from pycocotools import mask as rle

from pvt_exp import config, store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.store.results import publish_result, read_result
from pvt_exp.train import fit
from tests.conftest import EXPERIMENT, Cli
from tests.e2e.test_bad_input import lines

DATA = "{kind: shapes, num_classes: 4, image_px: 64, train_images: 24, val_images: 12}"
SIZE = "neck: {kind: fpn, width: 16}, short_px: [64], long_px: 64, test_short_px: 64, test_long_px: 64"
TASKS = {
    "classification": "{kind: classification, num_classes: 4, image_px: 32}",
    "detection": f"{{kind: detection, num_classes: 4, {SIZE}, "
    "detector: {kind: retinanet, head_width: 16, head_convs: 1, score_threshold: 0}}",
    "instance": f"{{kind: instance, num_classes: 4, {SIZE}, detector: {{head_width: 16, mask_width: 16, mask_convs: 1, "
    "max_proposals: 50, sampled_regions: 16, max_detections: 20}}",
    "semantic": "{kind: semantic, num_classes: 5, neck: {kind: fpn, width: 16}, short_px: 64, long_px: 64, "
    "crop_px: [64, 64], head_width: 16}",
}
NAMES = ["disc", "square", "triangle", "star"]


def run_of(task: str, folder: Path) -> Run:
    rest = EXPERIMENT[EXPERIMENT.index("backbone:") :].replace("batch_size: 16", "batch_size: 8")
    moving = "ema_decay: 0.5\n" if task == "classification" else ""
    text = f"task: {TASKS[task]}\ndataset: {DATA}\n{rest}{moving}".replace("epochs: 2", "epochs: 1")
    (folder / f"{task}.yaml").write_text(text)
    return config.load(Run, folder / f"{task}.yaml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A folder with a finished run of each task: ``folder``, and each run's id by its task."""
    folder = tmp_path_factory.mktemp("trained")
    runs = store.create(folder / "runs")
    found: dict[str, Any] = {"folder": folder}
    placement = Placement.model_validate({"data": str(folder / "data/shapes"), "tracking": {"mode": "disabled"}})
    for task in TASKS:
        run = run_of(task, folder)
        assert fit.fit(run, placement, store.attempt(runs, run, placement, task))
        found[task] = run.id
    (folder / "images/more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (64, 64)), ("b.jpg", (50, 90)), ("more/a.png", (33, 20))):
        Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(folder / "images" / name)
    (folder / "images/notes.txt").touch()
    yield found
    shutil.rmtree(folder)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def result(trained: dict[str, Any], task: str) -> Any:
    return read_result(trained["folder"] / "runs" / trained[task])


# ---------------------------------------------------------------- what training leaves behind


@pytest.mark.parametrize("task", TASKS)
def test_a_run_keeps_pictures_of_validation(task: str, trained: dict[str, Any], cli: Cli) -> None:
    folder = trained["folder"] / "runs" / trained[task] / "attempts/1/pictures"
    drawn = sorted(folder.glob("*"))
    assert [path.name for path in drawn] == [f"{n * 12 // 8:06d}.jpg" for n in range(8)]
    assert all(path.stat().st_size < 200_000 for path in drawn)
    names = result(trained, task)["data"]["class_names"]
    assert names[-4:] == NAMES
    if task == "instance":
        assert (
            f"pictures of validation: {Path('runs', *folder.parts[-4:])}"
            in cli("runs", "show", trained[task], cwd=trained["folder"]).stdout
        )


# ---------------------------------------------------------------- predict


@pytest.mark.parametrize("task", TASKS)
def test_predict(task: str, trained: dict[str, Any], cli: Cli) -> None:
    folder = trained["folder"]
    out = folder / "predictions" / trained[task]
    out.mkdir(parents=True)  # as an earlier prediction left it
    (out / "predictions.json").write_text('{"images": [{"picture": "z.jpg"}]}')
    (out / "z.jpg").touch()
    kept = tree(folder / "runs")
    said = cli("predict", trained[task][:8], "images", "--gpus", "none", cwd=folder).stdout
    told = json.loads((out / "predictions.json").read_text())
    classes = [
        f"{each['file_name']}: {each['class']}, probability {each['probability']:.3f}"
        for each in told["images"]
        if task == "classification"
    ]
    assert said.splitlines() == [*classes, str(out / "predictions.json"), str(out)]
    files = ["images/a.png", "images/b.jpg", "images/more/a.png"]
    assert [(each["file_name"], each["picture"]) for each in told["images"]] == list(
        zip(files, ["a.jpg", "b.jpg", "a.2.jpg"], strict=True)
    )
    assert [(each["width"], each["height"]) for each in told["images"]] == [(64, 64), (90, 50), (20, 33)]
    masks = {f"masks/{name}.png" for name in ("a", "b", "a.2")} if task == "semantic" else set()
    assert tree(out) == {"predictions.json", "a.jpg", "b.jpg", "a.2.jpg"} | masks
    assert tree(folder / "runs") == kept
    if task == "classification":
        assert told["classes"] == NAMES
        for each in told["images"]:
            assert sum(each["probabilities"]) == pytest.approx(1, abs=1e-4)
            assert each["class"] == NAMES[int(np.argmax(each["probabilities"]))]
    elif task == "semantic":
        mask = Image.open(out / told["images"][1]["mask"])
        assert (mask.mode, mask.size) == ("P", (90, 50))
        assert np.asarray(mask).max() < 5
    else:
        assert told["categories"] == [{"id": n, "name": name} for n, name in enumerate(NAMES, 1)]
        assert told["annotations"]
        sizes = {each["id"]: (each["width"], each["height"]) for each in told["images"]}
        for each in told["annotations"]:
            width, height = sizes[each["image_id"]]
            x, y, w, h = each["bbox"]
            assert 0 <= x <= x + w <= width + 1e-3
            assert 0 <= y <= y + h <= height + 1e-3
            assert ("segmentation" in each) == (task == "instance")
            if task == "instance":
                assert rle.decode(each["segmentation"]).shape == (height, width)


@pytest.mark.parametrize("task", TASKS)
def test_predict_draws_what_scores_enough(task: str, trained: dict[str, Any], cli: Cli) -> None:
    folder, words = (
        trained["folder"],
        ("predict", trained[task], "images/a.png", "--gpus", "none", "--json", "--out", f"drawn-{task}"),
    )
    if task in ("classification", "semantic"):
        (line,) = lines(cli(*words, "--score", "0", ok=2, cwd=folder))
        assert line == f"--score 0: is for objects, and {task} finds none"
        return
    told, drawn = [], []
    for score in ("1", "0"):
        told.append(json.loads(cli(*words, "--score", score, cwd=folder).stdout))
        drawn.append((folder / f"drawn-{task}/a.jpg").read_bytes())
    assert told[0] == told[1], "the list has all of them"
    assert told[0]["annotations"]
    assert drawn[0] != drawn[1]


def test_nothing_but_predictions_is_replaced(trained: dict[str, Any], cli: Cli) -> None:
    mine = trained["folder"] / "mine"
    mine.mkdir()
    (mine / "predictions.json").write_text('{"images": [{"picture": "z.jpg"}]}')
    for name in ("z.jpg", "notes.txt"):
        (mine / name).touch()
    before = tree(mine)
    (said,) = lines(cli("predict", trained["semantic"], "images", "--out", "mine", ok=2, cwd=trained["folder"]))
    assert said == "--out mine: holds other things than predictions, such as notes.txt"
    assert tree(mine) == before


def test_the_predictions_of_other_weights_are_not_replaced(trained: dict[str, Any], cli: Cli) -> None:
    folder = trained["folder"]
    words = ("predict", trained["classification"], "images/a.png", "--gpus", "none", "--out", "shared")
    cli(*words, cwd=folder)
    cli(*words, cwd=folder)  # the same weights again
    path = folder / "shared/predictions.json"
    told = json.loads(path.read_text())
    assert (folder / "runs" / trained["classification"] / told["weights"]).is_file()
    (said,) = lines(cli("predict", trained["semantic"], "images", "--out", "shared", ok=2, cwd=folder))
    how = "name another folder, or remove that one"
    assert said == f"--out shared: holds the predictions of run {trained['classification']}; {how}"
    path.write_text(json.dumps({**told, "weights": "attempts/9/checkpoints/last.ckpt"}))
    (said,) = lines(cli(*words, ok=2, cwd=folder))
    assert said.startswith("--out shared: holds the predictions of this run's other weights, attempts/9/checkpoints/")
    assert json.loads(path.read_text())["weights"] == "attempts/9/checkpoints/last.ckpt"


def test_an_image_that_cannot_be_read_is_passed_over_and_told(
    trained: dict[str, Any], cli: Cli, tmp_path: Path
) -> None:
    shutil.copytree(trained["folder"] / "images", tmp_path / "images")
    broken = tmp_path / "images/more/a.png"
    broken.write_bytes(broken.read_bytes()[:200])
    latin = os.fsdecode(b"caf\xe9\n.png")
    shutil.copy(tmp_path / "images/a.png", tmp_path / "images" / latin)
    Image.new("L", (64, 64)).save(tmp_path / "images/a_mask.png")
    (tmp_path / "images/more/gone.png").symlink_to("nowhere.png")
    words = ("predict", trained["semantic"], "images", "--store", trained["folder"] / "runs", "--gpus", "none")
    told = cli(*words, "--out", "images/found", ok=1).stderr.splitlines()
    assert told[0] == "files ending in .txt: 1 not taken (notes.txt)"
    assert told[1] == "masks beside their images (*_mask.*): 1 not taken (a_mask.png)"
    assert told[2].startswith("error: images/more/a.png: not a readable image: image file is truncated")
    assert told[3] == "error: images/more/gone.png: No such file or directory"
    assert told[4] == "3 of 5 images are done; the others cannot be read"
    found = json.loads((tmp_path / "images/found/predictions.json").read_text())
    assert {each["file_name"] for each in found["images"]} == {"images/a.png", "images/b.jpg", f"images/{latin}"}
    assert [each["file_name"] for each in found["unread"]] == ["images/more/a.png", "images/more/gone.png"]
    assert (tmp_path / "images/found/masks" / latin).exists()
    # what was written is no picture the next time, wherever it lies
    told = cli(*words, ok=1).stderr.splitlines()
    assert any(line.startswith("files that pvt-exp predict wrote: 6 not taken") for line in told)
    assert told[-1] == "3 of 5 images are done; the others cannot be read"


def test_where_no_image_can_be_read_nothing_is_written(trained: dict[str, Any], cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no image")
    words = ("predict", trained["semantic"], "x.png", "--store", trained["folder"] / "runs", "--gpus", "none")
    (said,) = lines(cli(*words, ok=2))
    assert said.startswith("x.png: not a readable image")
    assert tree(tmp_path) == {"x.png"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "predict {classification} nothing.png",
            "nothing.png: no such file, and nothing matches it; images end in: .apng",
        ),
        ("predict {classification} images/*.gif", "images/*.gif: no such file, and nothing matches it"),
        ("predict {classification} runs/{pending}", "runs/{pending}: no image in it"),
        ("predict {classification} images --gpus 99", "--gpus 99: no GPU 99 here"),
        (
            "predict {classification} images --out images",
            "--out images: holds other things than predictions, such as a.",
        ),
        ("predict {classification} images --out images/notes.txt", "--out images/notes.txt: a file, where a folder is"),
        ("predict {pending} images", "run {pending} is not done but pending"),
        (
            "predict {bare} images",
            "run {bare} has no checkpoint; runs keep theirs unless they are trained with --keep none",
        ),
        ("predict 0123abc images", "'0123abc' matches no run in runs"),
        ("evaluate {pending}", "run {pending} is not done but pending"),
        ("evaluate {detection} --data shapes=nowhere", "--data shapes=nowhere: no such folder: nowhere"),
        ("evaluate {detection} --data photos=runs", "--data photos: the run's data set is called shapes"),
        ("evaluate {detection} --weights x.pth", "{detection}: a run has its own weights and settings"),
        ("evaluate base.yaml", "base.yaml: no weights are given; use --weights FILE or --weights timm:TAG"),
        (
            "evaluate sweep.yaml",
            "sweep.yaml: this is a sweep; name one of its runs by its id, which pvt-exp plan sweep.yaml shows",
        ),
        ("evaluate page.yaml --weights x.pth", "page.yaml: this is a report; name a run by its id"),
        ("evaluate base.yaml --weights x.pth", "--weights x.pth: no such file: x.pth"),
        ("evaluate base.yaml --weights timm:pvt_v2_b99", "--weights timm:pvt_v2_b99: timm has no model 'pvt_v2_b99'"),
        ("evaluate bsae.yaml --weights x.pth", "bsae.yaml: no such file; did you mean base.yaml"),
    ],
)
def test_what_cannot_be_used_is_told(words: str, said: str, trained: dict[str, Any], cli: Cli) -> None:
    folder = trained["folder"]
    (folder / "base.yaml").write_text(EXPERIMENT)
    (folder / "sweep.yaml").write_text("base: base.yaml\nblocks: [{variants: {same: {}}}]\n")
    (folder / "page.yaml").write_text("tables: [{sweep: sweep.yaml}]\n")
    pending, bare = (config.load(Run, folder / "base.yaml", [f"seed={n}"]) for n in (8, 9))
    placement = Placement()
    if not (folder / "runs" / bare.id).exists():
        for run in (pending, bare):
            attempt = store.attempt(folder / "runs", run, placement, "test")
            if run is bare:
                publish_result(
                    attempt,
                    {
                        "metrics": {"top1": 50.0},
                        "data": {},
                        "cost": {},
                        "provenance": {"attempt": 1, "seconds": 1.0},
                        "run": run.id,
                    },
                )
        shutil.rmtree(folder / "runs" / pending.id / "attempts")
    ids = {**trained, "pending": pending.id, "bare": bare.id}
    before = tree(folder)
    (line,) = lines(cli(*words.format(**ids).split(), ok=2, cwd=folder))
    assert line.startswith(said.format(**ids))
    assert tree(folder) == before


# ---------------------------------------------------------------- evaluate


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_gives_the_very_figures_of_training(task: str, trained: dict[str, Any], cli: Cli) -> None:
    folder, due = trained["folder"], result(trained, task)
    before = tree(folder)
    said = json.loads(cli("evaluate", trained[task][:8], "--gpus", "none", "--json", cwd=folder).stdout)
    assert said["metrics"] == due["metrics"]
    assert any(due["metrics"].values()), "figures that are all zero would always agree"
    assert said["per_class"] == due["per_class"]
    assert said["data"]["fingerprint"] == said["data"]["trained_on"] == due["data"]["fingerprint"]
    assert said["data"]["images"] == 12
    assert said["images_per_s"] > 0
    assert said["match"] is None
    assert tree(folder) == before


def photos(folder: Path, names: tuple[str, ...]) -> Path:
    rng = np.random.default_rng(1)
    for split in ("train", "val"):
        for name in names:
            (folder / split / name).mkdir(parents=True)
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(folder / split / name / "0.png")
    return folder


PHOTOS = EXPERIMENT.replace(
    "{kind: shapes, num_classes: 4, image_px: 32, train_images: 96, val_images: 48}",
    "{kind: image_folder, name: photos}",
)


@pytest.mark.slow
def test_evaluate_a_run_on_other_data(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "base.yaml"
    path.write_text(PHOTOS.replace("batch_size: 16", "batch_size: 2").replace("epochs: 2", "epochs: 1"))
    run, data = config.load(Run, path), photos(tmp_path / "photos", ("a", "b", "c", "d"))
    placement = Placement.model_validate({"data": str(data), "tracking": {"mode": "disabled"}})
    fit.fit(run, placement, store.attempt(store.create(tmp_path / "runs"), run, placement, "base"))
    other = photos(tmp_path / "other", ("a", "b", "c", "d"))
    Image.new("RGB", (32, 32)).save(other / "val/a/1.png")
    said = cli("evaluate", run.id, "--data", f"photos={other}", "--gpus", "none").stdout
    assert ", trained on " in said
    assert f"5 images in {other}" in said
    others = photos(tmp_path / "others", ("a", "b", "c", "e"))
    (line,) = lines(cli("evaluate", run.id, "--data", f"photos={others}", "--gpus", "none", ok=2))
    assert line == f"data set photos: {others}: its classes are not the run's: 'e' where that has 'd'"


def test_evaluate_published_weights(cli: Cli, tmp_path: Path) -> None:
    """Those of timm's PVT v2 in a file, head and all, against what timm's own network says."""
    torch.manual_seed(0)
    theirs = timm.create_model("pvt_v2_b0", num_classes=4).eval()
    torch.nn.init.normal_(theirs.head.weight)
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "b0.pth")
    document = yaml.safe_load(PHOTOS)
    document["backbone"] = {"kind": "pvt", "preset": "pvt_v2_b0"}
    document["optim"]["lr"] = 0.002
    document["task"] |= {"image_px": 32, "crop_pct": 1.0, "mean": [0.5] * 3, "std": [0.5] * 3}
    (tmp_path / "b0.yaml").write_text(yaml.safe_dump(document))
    data = photos(tmp_path / "photos", ("a", "b", "c", "d"))
    words = ("evaluate", "b0.yaml", "--data", f"photos={data}", "--gpus", "none", "--weights")
    said = json.loads(cli(*words, "b0.pth", "--json").stdout)
    pixels = np.stack([np.asarray(Image.open(data / "val" / name / "0.png")) for name in "abcd"])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        loss = torch.nn.functional.cross_entropy(theirs(images), torch.arange(4))
    assert said["metrics"]["loss"] == pytest.approx(float(loss), rel=1e-4)
    assert len(said["match"]["matched"]) == len(theirs.state_dict())
    assert said["match"]["missing"] == said["match"]["unexpected"] == []
    assert not (tmp_path / "runs").exists()

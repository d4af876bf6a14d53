"""Recognises data sets by the names of their folders and files, for ``pvt-exp init``. Reads no image and no torch.

Each function gives the fields of its kind's settings, without ``kind`` and ``name``; None if the data are of another kind.
"""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import median_low
from typing import Any

from pvt_exp.config import excluded
from pvt_exp.datasets import SUFFIXES

Fields = dict[str, Any]
TRAIN = ("train", "training", "Train", "train2017")
VAL = ("val", "valid", "validation", "test", "Val", "Test", "val2017")
IMAGES = ("images", "image", "imgs", "img", "Images", "JPEGImages", "leftImg8bit")
MASKS = ("masks", "mask", "labels", "label", "annotations", "Masks", "gt", "SegmentationClass", "gtFine")
MOST_FILES = 200
"""Files of a folder that are looked at."""
MOST_JSON_BYTES = 2 * 2**30


def image_folder(root: Path) -> Fields | None:
    """``train/<class>/`` and ``val/<class>/`` under usual names of the splits; without the latter part is held out."""
    train = next((name for name in TRAIN if _has_classes(root / name)), None)
    if train is None:
        return None
    val = next((name for name in VAL if _has_classes(root / name)), None)
    return {"train": train, **({"val": val} if val else {})}


def coco(root: Path) -> Fields | None:
    """A JSON file of annotations a split, anywhere in the folder, and a folder that has the first image that it names."""
    found: dict[str, tuple[str, str]] = {}
    for path in _json_files(root):
        split = _split_of(str(path.relative_to(root)))
        if split in found or (first := _first_image(path)) is None:
            continue
        if (folder := _folder_of(root, path, first)) is not None:
            found[split or "train"] = (str(path.relative_to(root)), folder)
    if "train" not in found:
        return None
    return {
        field: value
        for split, (file, folder) in sorted(found.items())
        for field, value in ((f"{split}_annotations", file), (f"{split}_image_folder", folder))
    }


def semantic_folder(root: Path) -> Fields | None:
    """Images and masks in two folders a split, under usual names, in either order; the lists of VOC."""
    if (root / "leftImg8bit").is_dir() and (root / "gtFine").is_dir():
        return {"layout": "cityscapes"}
    if (root / "images/training").is_dir() and (root / "objectInfo150.txt").exists():
        return {"layout": "ade20k"}
    if (root / "ImageSets/Segmentation/train.txt").exists() and (root / "SegmentationClass").is_dir():
        return _voc(root)
    train = next(_pair(root, TRAIN), None)
    if train is not None:
        val = next(_pair(root, VAL), None)
    else:
        train, val = next(_pair(root, (".",)), None), None
    if train is None:
        return None
    fields = {"train_image_folder": train[0], "train_mask_folder": train[1]}
    if val is not None:
        fields |= {"val_image_folder": val[0], "val_mask_folder": val[1]}
    suffix = mask_suffix(root / train[0], root / train[1]) or ".png"
    fields |= {"mask_suffix": suffix} if suffix != ".png" else {}
    return fields | _classes(root, root / train[1], suffix)


def mask_suffix(images: Path, masks: Path) -> str | None:
    """How the names of most masks go on after the name of their image, without its suffix; None if no name fits."""
    stems = {Path(name).stem for name in _files(images)}
    rests: Counter[str] = Counter()
    for name in _files(masks):
        stem = next((name[:end] for end in range(len(name), 0, -1) if name[:end] in stems), None)
        if stem is not None:
            rests[name.removeprefix(stem)] += 1
    return rests.most_common(1)[0][0] if rests else None


def _classes(root: Path, masks: Path, suffix: str) -> Fields:
    """What says the classes: ``classes.json`` with the value that it ignores, or else the values in the masks."""
    if not (root / "classes.json").exists():
        return mask_values(masks, suffix)
    with contextlib.suppress(OSError, ValueError, RecursionError, TypeError, KeyError):
        return {"ignore_index": int(json.loads((root / "classes.json").read_bytes())["ignore_index"])}
    return {}


def _voc(root: Path) -> Fields:
    lists = {split: f"ImageSets/Segmentation/{split}.txt" for split in ("train", "val")}
    fields: Fields = {"classes": 21}
    for split, names in lists.items():
        if (root / names).exists():
            fields |= {
                f"{split}_image_folder": "JPEGImages",
                f"{split}_mask_folder": "SegmentationClass",
                f"{split}_list": names,
            }
    return fields


def _pair(root: Path, splits: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The folders of images and masks of the first of some splits that has both."""
    for split, images, masks in product(splits, IMAGES, MASKS):
        for pair in ((f"{split}/{images}", f"{split}/{masks}"), (f"{images}/{split}", f"{masks}/{split}")):
            if all(_has_images(root / folder) for folder in pair):
                yield os.path.normpath(pair[0]), os.path.normpath(pair[1])


def _has_classes(folder: Path) -> bool:
    """Whether there are two folders with images in it, none of which is named like one of images and masks."""
    names = _folders(folder)
    return not {*names} & {*IMAGES, *MASKS} and sum(_has_images(folder / name) for name in names) >= 2


def _has_images(folder: Path) -> bool:
    return any(excluded.suffix(name) in SUFFIXES for name in _files(folder))


def _files(folder: Path) -> list[str]:
    return [entry.name for entry in _entries(folder) if entry.is_file()][:MOST_FILES]


def _folders(folder: Path) -> list[str]:
    return [entry.name for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    with contextlib.suppress(OSError):
        return sorted((e for e in os.scandir(folder) if not e.name.startswith(".")), key=lambda entry: entry.name)
    return []


def _json_files(root: Path) -> list[Path]:
    """Those of the folder, of its folders, and of theirs; instances before key points and captions."""
    found = [path for depth in ("*.json", "*/*.json", "*/*/*.json") for path in sorted(root.glob(depth))]
    return sorted(found, key=lambda path: ("instances" not in path.name, len(path.parts), str(path)))


def _split_of(path: str) -> str | None:
    """The split that the name of an annotation file, or its folder, tells."""
    words = path.casefold()
    if "train" in words:
        return "train"
    return "val" if "val" in words else "test" if "test" in words else None


def _first_image(path: Path) -> str | None:
    """The name of the first image of a file of annotations with boxes; None if it is something else."""
    with contextlib.suppress(OSError, ValueError, RecursionError, TypeError, KeyError, IndexError, StopIteration):
        if path.stat().st_size <= MOST_JSON_BYTES:
            content = json.loads(path.read_bytes())
            if "bbox" in next(iter(content["annotations"])) and content["categories"]:
                return str(content["images"][0]["file_name"])
    return None


def _folder_of(root: Path, annotations: Path, image: str) -> str | None:
    """The folder, relative to the root, that a file's image is below."""
    near = [annotations.parent, root, *(root / name for name in _folders(root))]
    near += [folder / name for folder in near[1:] for name in _folders(folder)]
    return next((os.path.relpath(folder, root) for folder in near if (folder / image).is_file()), None)


def median_size(folder: Path) -> tuple[int, int] | None:
    """Height and width in pixels, each the median of a folder's images and of those below it, by the headers of some 200."""
    from PIL import Image

    sizes = []
    for here, _, names in os.walk(folder):
        for name in sorted(names)[: MOST_FILES // 10 if here != str(folder) else MOST_FILES]:
            if excluded.suffix(name) in SUFFIXES:
                with contextlib.suppress(OSError, ValueError, SyntaxError), Image.open(Path(here, name)) as image:
                    sizes.append((image.height, image.width))
        if len(sizes) >= MOST_FILES:
            break
    return (median_low(h for h, _ in sizes), median_low(w for _, w in sizes)) if sizes else None


def mask_values(folder: Path, suffix: str) -> Fields:
    """The fields that say which classes the values in masks stand for, by 50 of them; none if that cannot be told."""
    import numpy as np
    from PIL import Image

    found: set[Any] = set()
    names = [name for name in _files(folder) if name.casefold().endswith(suffix.casefold())]
    if names and suffix.casefold().endswith((".jpg", ".jpeg")):
        return {"classes": 2, "threshold": 128}
    for name in names[:: max(1, len(names) // 50)]:
        with contextlib.suppress(OSError, ValueError, SyntaxError), Image.open(folder / name) as image:
            if image.mode in {"RGB", "RGBA"}:
                colours = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0).tolist()
                found.update(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours)
            else:
                found.update(np.unique(np.asarray(image)).tolist())
    if len(found) < 2 or len(found) > 100:
        return {}
    if any(isinstance(each, str) for each in found):
        return {"classes": len(found), "values": {colour: n for n, colour in enumerate(sorted(map(str, found)))}}
    if len(found) == 2 and found != {0, 1}:
        return {"classes": 2, "values": {value: n for n, value in enumerate(sorted(map(int, found)))}}
    most = max(value for value in found if value != 255)
    return {"classes": int(most) + 1} if most <= 253 else {}

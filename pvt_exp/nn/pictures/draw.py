"""Draws labels and predictions on images: objects, label maps or classes; truth beside prediction.

A class has the same colour on every picture. Small images are enlarged until text can be read.
Legend: N objects, H W pixels, K classes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pvt_exp.datasets._mask_values import IGNORED
from pvt_exp.nn.pictures import paint
from pvt_exp.system.words import several

ALWAYS_LABELLED = 12  # objects; where there are more, a label is left out that would hide others
LISTED = 24  # entries of a legend
SHOWN_CLASSES = 5
PANEL_PX = 640  # most of the long side of an image that stands beside another
RIGHT, WRONG = (30, 130, 60), (190, 40, 30)
Things = Mapping[str, Any]
"""An image's objects by arrays or tensors: ``boxes`` [N, 4] and ``labels`` [N], perhaps ``scores``, ``masks``, ``crowd``."""


def array(values: Any) -> NDArray[Any]:
    """A tensor on any device, or what numpy takes."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


# ---------------------------------------------------------------- detection and instance segmentation


def objects(
    image: Image.Image, names: Sequence[str], found: Things, truth: Things | None = None, least: float = 0.5
) -> Image.Image:
    """Boxes, and masks where there are any, with names and scores; what scores less than ``least`` is left out.

    Beneath, the classes and how many of each there are; with the truth, how many of how many.
    """
    found = _kept(found, least)
    most_px = paint.MOST_PX if truth is None else PANEL_PX
    panels = [("", _with_objects(image, names, found, most_px))]
    counts = Counter(found["labels"].tolist())
    listed: dict[int, str] = {label: f"{counts[label]}" for label in counts}
    if truth is not None:
        truth = _kept(truth, 0)
        true = Counter(truth["labels"].tolist())
        listed = {label: f"{true[label]} true, {counts[label]} found" for label in true | counts}
        panels = [
            (f"truth: {several(len(truth['labels']), 'object')}", _with_objects(image, names, truth, most_px)),
            (f"prediction: {len(found['labels'])} of score {least:g} or more", panels[0][1]),
        ]
        counts += true
    order = sorted(listed, key=lambda label: (-counts[label], label))
    return _page(panels, [(label, f"{names[label]}: {listed[label]}") for label in order])


def _kept(things: Things, least: float) -> dict[str, Any]:
    """The objects as arrays, without low scores. Masks are decoded one by one, as all at once would take gigabytes."""
    known: dict[str, Any] = {
        name: array(things[name]) for name in ("boxes", "labels", "scores", "crowd") if name in things
    }
    rows = np.arange(len(known["labels"]))
    if "scores" in known:
        rows = rows[known["scores"] >= least]
        known = {name: values[rows] for name, values in known.items()}
    if "masks" in things:
        known["masks"] = [partial(_mask, things["masks"], row) for row in rows.tolist()]
    return known


def _mask(masks: Any, row: int) -> NDArray[Any]:
    return array(masks[row])


def _with_objects(image: Image.Image, names: Sequence[str], things: Mapping[str, Any], most_px: int) -> Image.Image:
    canvas, scale = paint.legible(image, most_px)
    count = len(things["labels"])
    labels = things["labels"].tolist()
    boxes = (things["boxes"].reshape(-1, 4).astype(float) * scale).tolist()
    masks, crowd = things.get("masks"), things.get("crowd", np.zeros(count, bool))
    by_size = sorted(range(count), key=lambda n: -(boxes[n][2] - boxes[n][0]) * (boxes[n][3] - boxes[n][1]))
    if masks is not None:
        pixels = np.array(canvas)
        for n in by_size:  # small objects over large ones
            mask = paint.resized(masks[n](), canvas.size) > 0
            paint.tint(pixels, mask, paint.colour(labels[n]), 0.4)
            paint.tint(pixels, paint.edge(mask, 1 if count > ALWAYS_LABELLED else 2), paint.colour(labels[n]), 1.0)
        canvas = Image.fromarray(pixels)
    draw = ImageDraw.Draw(canvas)
    if masks is None or count <= ALWAYS_LABELLED:  # outlines of many masks are clearer without boxes
        for n in by_size:
            thickness = 1 if masks is not None else max(2, round(max(canvas.size) / 320))
            paint.frame(draw, boxes[n], paint.colour(labels[n]), thickness, bool(crowd[n]))
    scores = things.get("scores")
    first = by_size if scores is None else np.argsort(-scores, kind="stable").tolist()
    taken: list[paint.Box] = []
    for n in first:
        words = paint.plain(names[labels[n]]) + (f" {scores[n]:.2f}" if scores is not None else "")
        words += " (crowd)" if crowd[n] else ""
        paint.tag(draw, boxes[n], words, paint.colour(labels[n]), canvas.size, taken, count <= ALWAYS_LABELLED)
    return canvas


# ---------------------------------------------------------------- semantic segmentation


def regions(image: Image.Image, names: Sequence[str], found: Any, truth: Any = None) -> Image.Image:
    """The class of each pixel as a colour over the image; what the truth ignores is black.

    Beneath, the classes and their share of the pixels, of the truth and of the prediction.
    """
    maps = [array(each) for each in (truth, found) if each is not None]
    titles = ("truth", "prediction") if truth is not None else ("",)
    most_px = paint.MOST_PX if truth is None else PANEL_PX
    panels = [(title, _with_regions(image, each, most_px)) for title, each in zip(titles, maps, strict=True)]
    shares = [100 * np.bincount(each.ravel(), minlength=IGNORED + 1) / each.size for each in maps]
    there = [label for label in range(len(names)) if any(share[label] for share in shares)]
    there.sort(key=lambda label: -max(share[label] for share in shares))
    words = (" true", " found") if truth is not None else ("",)
    told = [
        (
            label,
            f"{names[label]}: " + ", ".join(_percent(s[label]) + word for s, word in zip(shares, words, strict=True)),
        )
        for label in there
    ]
    if any(share[IGNORED] for share in shares):
        told.append((IGNORED, f"ignored: {_percent(shares[0][IGNORED])}"))
    return _page(panels, told)


def _percent(share: float) -> str:
    return f"{share:.0f} %" if share >= 1 or not share else "<1 %"


def _with_regions(image: Image.Image, classes_HW: NDArray[Any], most_px: int) -> Image.Image:
    canvas, _ = paint.legible(image, most_px)
    table = np.array(paint.palette(), dtype=np.float32).reshape(256, 3)
    labels_HW = paint.resized(classes_HW, canvas.size)
    return Image.fromarray((0.4 * np.asarray(canvas) + 0.6 * table[labels_HW]).astype(np.uint8))


# ---------------------------------------------------------------- classification


def classes(image: Image.Image, names: Sequence[str], found: Any, truth: int | None = None) -> Image.Image:
    """The image over the names of its likeliest classes; ``found`` has the probability of each class [K]."""
    canvas, _ = paint.legible(image, PANEL_PX)
    probabilities_K = array(found).astype(float)
    best = np.argsort(-probabilities_K, kind="stable")[:SHOWN_CLASSES].tolist()
    lines = [(f"{probabilities_K[n]:.0%}", paint.plain(names[n]), n) for n in best]
    head, line = paint.TEXT_PX + 2 * paint.PAD if truth is not None else 0, paint.TEXT_PX + 7
    room = paint.width_of("100%") + paint.PAD
    width = max(canvas.width, *(min(480, room + paint.width_of(name) + paint.PAD) for _, name, _ in lines))
    sheet = Image.new("RGB", (width, head + line * len(lines)), paint.PAPER)
    draw = ImageDraw.Draw(sheet)
    if truth is not None:
        shade = RIGHT if best[0] == truth else WRONG
        text = paint.shortened(f"truth: {paint.plain(names[truth])}", width - 4)
        draw.text((2, 0), text, fill=shade, font=paint.font())
    for row, (percent, name, label) in enumerate(lines):
        y = head + row * line
        bar = room + (width - room) * probabilities_K[label]
        draw.rectangle((room, y, max(room + 1, bar), y + line - 3), fill=(205, 225, 245))
        draw.text((room - paint.PAD - paint.width_of(percent), y + 1), percent, fill=paint.INK, font=paint.font())
        shade = RIGHT if label == truth else paint.INK
        draw.text((room + 3, y + 1), paint.shortened(name, width - room - 4), fill=shade, font=paint.font())
    return paint.page([("", canvas)], sheet)


def _page(panels: Sequence[tuple[str, Image.Image]], told: Sequence[tuple[int, str]]) -> Image.Image:
    """Panels over a legend of classes."""
    width = sum(panel.width for _, panel in panels) + paint.PAD * (len(panels) - 1)
    black = (0, 0, 0)
    entries = [(black if n == IGNORED else paint.colour(n), paint.plain(text)) for n, text in told[:LISTED]]
    if len(told) > LISTED:
        entries.append((paint.PAPER, f"and {several(len(told) - LISTED, 'more class', 'more classes')}"))
    return paint.page(panels, paint.legend(width, entries))

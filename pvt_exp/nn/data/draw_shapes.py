"""Draws shapes with numpy, the same bytes on every machine.

Only operations whose result IEEE 754 fixes are used on pixels: + - * /, square root, minimum, maximum. No sine (a table
rounded to 9 digits stands for it), exponential, logarithm or matrix product, whose last bit depends on the processor;
noise is a sum of random bytes. Random numbers are from `numpy.random.RandomState`, whose streams are frozen (NEP 19).

A shape is where its implicit function d(u, v) is negative, an approximate signed distance in units of the shape's
radius, so that ``0.5 - d * radius_px`` is an anti-aliased coverage.

Legend: N images, H W pixels (H = W), K slots of shapes (0 is the main one), M strips, G points of a grid.
"""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pvt_exp.datasets.shapes import Settings

Array = Any  # of numpy; its shape is its name's suffix
Rng = np.random.RandomState
AT_ONCE = 64  # images; their planes stay in the processor's cache
SLOTS, STRIPS = 4, 5
TURNS = 720  # half degrees
COS = np.array([round(math.cos(math.tau * k / TURNS), 9) for k in range(TURNS)], dtype=np.float32)
SIN = np.roll(COS, TURNS // 4)


def draw(settings: "Settings", split: str, images: int, folder: Path) -> None:
    """Write the arrays of a split to ``folder``.

    ``images`` uint8 [N, H, W, 3]; ``labels`` int64 [N], the class of the largest shape; ``instances`` uint8 [N, H, W], 0
    on the ground and k on the k-th shape that is visible, of which the first is the largest; ``instance_classes`` uint8
    [N, K], 1 + the class of the k-th visible shape, 0 for none. Boxes and a semantic map follow from the last two.
    """
    side = settings.image_px
    labels = _rng(settings, split, "labels").permutation(np.arange(images, dtype=np.int64) % settings.num_classes)
    np.save(folder / "labels.npy", labels)
    pixels = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (images, side, side, 3))
    instances = np.lib.format.open_memmap(folder / "instances.npy", "w+", np.uint8, (images, side, side))
    classes = np.lib.format.open_memmap(folder / "instance_classes.npy", "w+", np.uint8, (images, SLOTS))
    for start in range(0, images, AT_ONCE):
        these = slice(start, start + AT_ONCE)
        scene = Scene(settings, labels[these], _rng(settings, split, start))
        pixels[these], instances[these], classes[these] = scene.paint()
    for array in (pixels, instances, classes):
        array.flush()


def _rng(settings: "Settings", *words: object) -> Rng:
    digest = hashlib.sha256(repr((settings.seed, *words)).encode()).digest()
    return Rng(np.frombuffer(digest, dtype="<u4"))


class Scene:
    """Some images while they are painted."""

    def __init__(self, settings: "Settings", labels_N: Array, rng: Rng) -> None:
        self.settings, self.rng = settings, rng
        n, side, top = len(labels_N), settings.image_px, settings.num_classes
        self.classes_NK = np.stack(
            [labels_N] + [(labels_N + rng.randint(1, top, n)) % top for _ in range(SLOTS - 1)], 1
        )
        self.turn_NK = rng.randint(-settings.turn_deg * 2, settings.turn_deg * 2 + 1, (n, SLOTS)) % TURNS
        radius_N = self._uniform(0.17, 0.36, n) * side
        self.radius_NK = self._uniform(0.3, 0.55, n, SLOTS) * radius_N[:, None]
        self.radius_NK[:, 0] = radius_N
        # The main shape lies mostly inside; half of the others lie near its rim, half anywhere.
        margin_N1 = 0.75 * radius_N[:, None]
        main_N2 = margin_N1 + self._uniform(0, 1, n, 2) * (side - 2 * margin_N1)
        self.at_NK2 = self._uniform(0, side, n, SLOTS, 2)
        rim_NK = rng.randint(0, TURNS, (n, SLOTS))
        rim_NK2 = (
            np.stack([COS[rim_NK], SIN[rim_NK]], -1) * self._uniform(0.6, 1.4, n, SLOTS, 1) * radius_N[:, None, None]
        )
        near_NK = self._uniform(0, 1, n, SLOTS) < 0.5
        self.at_NK2[near_NK] = (main_N2[:, None] + rim_NK2)[near_NK]
        self.at_NK2[:, 0] = main_N2
        number_N = rng.randint(1, settings.distractors + 1, n) if settings.distractors else np.zeros(n, dtype=np.int64)
        self.there_NK = np.arange(SLOTS) <= number_N[:, None]
        self.front_NK = self._uniform(0, 1, n, SLOTS) < 0.5
        self.ground_N3 = self._uniform(0.1, 0.5, n, 3)
        grid = np.arange(side, dtype=np.float32) + np.float32(0.5)
        self.y_H1, self.x_1W = grid[:, None], grid[None, :]

    def paint(self) -> tuple[Array, Array, Array]:
        """Pixels, instances and the classes of the instances."""
        n, side = len(self.classes_NK), self.settings.image_px
        rough = self.settings.clutter
        texture_N3HW = (self._texture(4, 3) + self._texture(9, 1)) * np.float32(0.22 * rough)
        self.fine_N1HW = self._texture(17, 1) * np.float32(0.25 * rough)
        self.pixels_N3HW = self.ground_N3[:, :, None, None] + texture_N3HW + self.fine_N1HW
        self.ids_NHW = np.zeros((n, side, side), dtype=np.uint8)
        for _ in range(STRIPS):
            self._strip(np.flatnonzero(self._uniform(0, 1, n) < rough))
        colours_NK3 = self._colours(n, SLOTS)
        for slot, front in [(k, False) for k in range(1, SLOTS)] + [(0, True)] + [(k, True) for k in range(1, SLOTS)]:
            chosen_N = self.there_NK[:, slot] & ((self.front_NK[:, slot] == front) | (slot == 0))
            self._shape(np.flatnonzero(chosen_N), slot, colours_NK3)
        # The label must be of the largest shape to be seen: a main one of which too little is left comes to the top.
        area_NK = self._areas()
        hidden_N = 2 * area_NK[:, 0] < 3 * area_NK[:, 1:].max(1)
        hidden_N |= 3.0 * area_NK[:, 0] < self.radius_NK[:, 0] * self.radius_NK[:, 0]
        self._shape(np.flatnonzero(hidden_N), 0, colours_NK3)
        self.pixels_N3HW += self._noise(n, side)
        pixels_N3HW = np.rint(np.clip(self.pixels_N3HW, 0, 1) * np.float32(255)).astype(np.uint8)
        return pixels_N3HW.transpose(0, 2, 3, 1), *self._numbered()

    def _shape(self, chosen: Array, slot: int, colours_NK3: Array) -> None:
        for number, implicit in enumerate(IMPLICIT[: self.settings.num_classes]):
            these = chosen[self.classes_NK[chosen, slot] == number]
            if len(these):
                radius_N = self.radius_NK[these, slot]
                u, v = self._frame(these, self.at_NK2[these, slot], self.turn_NK[these, slot], radius_N)
                cover_NHW = np.clip(np.float32(0.5) - implicit(u, v) * radius_N[:, None, None], 0, 1)
                # A shape has a texture too, so that smoothness does not give it away.
                skin_N3HW = colours_NK3[these, slot][:, :, None, None] - np.float32(0.7) * self.fine_N1HW[these]
                self._blend(these, cover_NHW, skin_N3HW)
                self.ids_NHW[these] = np.where(cover_NHW >= 0.5, slot + 1, self.ids_NHW[these])

    def _strip(self, these: Array) -> None:
        """A thin bar, which is no class: edges that mean nothing."""
        n, side = len(these), self.settings.image_px
        length_N, at_N2 = self._uniform(0.1, 0.5, n) * side, self._uniform(0, side, n, 2)
        width_N11 = self._uniform(0.06, 0.2, n)[:, None, None]
        u, v = self._frame(these, at_N2, self.rng.randint(0, TURNS, n), length_N)
        distance = np.maximum(np.abs(u) - 1, np.abs(v) - width_N11)
        cover_NHW = np.clip(np.float32(0.5) - distance * length_N[:, None, None], 0, 1)
        colour_N3 = self._colours(len(self.ground_N3), 1)[these, 0]
        darker_N1 = self._uniform(0, 1, n, 1) < 0.5
        colour_N3 = np.where(darker_N1, 2 * self.ground_N3[these] - colour_N3, colour_N3)
        self._blend(these, cover_NHW, colour_N3[:, :, None, None])

    def _frame(self, these: Array, at_N2: Array, turn_N: Array, radius_N: Array) -> tuple[Array, Array]:
        """Pixel positions as seen from a shape: its centre is 0, its radius 1."""
        y_NH1 = (self.y_H1 - at_N2[:, 0, None, None]) / radius_N[:, None, None]
        x_N1W = (self.x_1W - at_N2[:, 1, None, None]) / radius_N[:, None, None]
        cos, sin = COS[turn_N][:, None, None], SIN[turn_N][:, None, None]
        return cos * x_N1W + sin * y_NH1, cos * y_NH1 - sin * x_N1W

    def _blend(self, these: Array, cover_NHW: Array, over_N3HW: Array) -> None:
        for n, cover_HW, over_3HW in zip(these, cover_NHW, over_N3HW, strict=True):
            self.pixels_N3HW[n] += cover_HW * (over_3HW - self.pixels_N3HW[n])

    def _colours(self, n: int, k: int) -> Array:
        """Lighter than the ground, by up to half the range; each channel by its own part of that."""
        away_NK3 = self._uniform(self.settings.contrast, 0.5, n, k, 1) * self._uniform(0.4, 1, n, k, 3)
        return self.ground_N3[:, None, :] + away_NK3

    def _texture(self, points: int, channels: int) -> Array:
        """Value noise in -1 to 1: a random grid, bilinearly enlarged."""
        n, side = len(self.ground_N3), self.settings.image_px
        grid_NCGG = self._uniform(-1, 1, n, channels, points, points)
        place = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32((points - 1) / side)
        low = place.astype(np.int32)
        part = place - low.astype(np.float32)
        for axis, part_of in ((2, part[:, None]), (3, part)):
            # `take` rather than [..., low], whose result is laid out so that what follows is ten times slower
            here, after = grid_NCGG.take(low, axis), grid_NCGG.take(low + 1, axis)
            grid_NCGG = here + (after - here) * part_of
        return grid_NCGG

    def _noise(self, n: int, side: int) -> Array:
        """Nearly normal: the sum of two random bytes, of deviation 104.5, about its mean."""
        count = n * side * side * 3
        first, second = (np.frombuffer(self.rng.bytes(count), dtype=np.uint8).astype(np.int16) for _ in range(2))
        strength_N111 = self._uniform(0, self.settings.noise, n)[:, None, None, None] / np.float32(104.5)
        return (first + second - 255).astype(np.float32).reshape(n, 3, side, side) * strength_N111

    def _areas(self) -> Array:
        return np.stack([(self.ids_NHW == slot + 1).sum((1, 2)) for slot in range(SLOTS)], 1)

    def _numbered(self) -> tuple[Array, Array]:
        """Instances numbered without gaps: a shape that nothing is seen of has no number."""
        seen_NK = self._areas() > 0
        number_NK = np.where(seen_NK, seen_NK.cumsum(1), 0).astype(np.uint8)
        table = np.concatenate([np.zeros((len(seen_NK), 1), np.uint8), number_NK], 1)
        classes_NK = np.zeros_like(number_NK)
        image, slot = np.nonzero(seen_NK)
        classes_NK[image, number_NK[image, slot] - 1] = self.classes_NK[image, slot] + 1
        return table[np.arange(len(table))[:, None, None], self.ids_NHW], classes_NK

    def _uniform(self, low: float, high: float, *shape: int) -> Array:
        return (low + (high - low) * self.rng.random_sample(shape)).astype(np.float32)


# ---------------------------------------------------------------- the shapes, in the order of `datasets.shapes.SHAPES`


def _length(u: Array, v: Array) -> Array:
    return np.sqrt(u * u + v * v)


def _box(u: Array, v: Array, half_u: float, half_v: float) -> Array:
    return np.maximum(np.abs(u) - np.float32(half_u), np.abs(v) - np.float32(half_v))


def _edges(u: Array, v: Array, sides: int, inner: float) -> list[Array]:
    """Distances to the sides of a regular polygon whose inscribed circle has radius ``inner``."""
    turns = [k * TURNS // sides for k in range(sides)]
    return [COS[k] * u + SIN[k] * v - np.float32(inner) for k in turns]


def _disc(u: Array, v: Array) -> Array:
    return _length(u, v) - np.float32(0.85)


def _square(u: Array, v: Array) -> Array:
    return _box(u, v, 0.75, 0.75)


def _triangle(u: Array, v: Array) -> Array:
    return np.maximum.reduce(_edges(u, v, 3, 0.52))


def _star(u: Array, v: Array) -> Array:
    # A pentagram is where at most one of its five lines is on the wrong side: the second largest distance decides.
    first, *others = _edges(u, v, 5, 0.36)
    second = np.full_like(first, -np.inf)
    for edge in others:
        second = np.maximum(second, np.minimum(first, edge))
        first = np.maximum(first, edge)
    return second


def _cross(u: Array, v: Array) -> Array:
    return np.minimum(_box(u, v, 0.95, 0.28), _box(u, v, 0.28, 0.95))


def _ring(u: Array, v: Array) -> Array:
    return np.abs(_length(u, v) - np.float32(0.68)) - np.float32(0.22)


def _crescent(u: Array, v: Array) -> Array:
    return np.maximum(_length(u, v) - np.float32(0.95), np.float32(0.75) - _length(u - np.float32(0.5), v))


def _heart(u: Array, v: Array) -> Array:
    # A square that stands on its corner, and a disc on each of its upper sides.
    lobes = _length(np.abs(u) - np.float32(0.42), v + np.float32(0.32)) - np.float32(0.53)
    half = np.float32(0.70710677)
    tilted = np.maximum(np.abs(u + v - np.float32(0.1)), np.abs(v - u - np.float32(0.1))) * half - np.float32(0.596)
    return np.minimum(lobes, tilted)


def _hexagon(u: Array, v: Array) -> Array:
    return np.maximum.reduce(_edges(u, v, 6, 0.78))


def _arrow(u: Array, v: Array) -> Array:
    head = np.maximum.reduce(_edges(u - np.float32(-0.35), v, 3, 0.36))
    return np.minimum(head, _box(u - np.float32(0.3), v, 0.65, 0.2))


IMPLICIT: tuple[Callable[[Array, Array], Array], ...] = (
    _disc, _square, _triangle, _star, _cross, _ring, _crescent, _heart, _hexagon, _arrow,
)  # fmt: skip

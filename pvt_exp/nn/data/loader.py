"""Loads images by key, a group at a time; the batches do not depend on the number of loading processes.

Every draw follows from (seed, epoch, image, repeat), and a group's mixing from (seed, epoch, group's number).
Legend: B images of a micro-batch, C classes.
"""

import os
import resource
import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import queues
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader, Dataset

from pvt_exp.config import DataError
from pvt_exp.datasets._pictures import none_of
from pvt_exp.nn.data.images import BadImage
from pvt_exp.nn.data.look import unreadable
from pvt_exp.nn.data.order import InOrder, Key, Order
from pvt_exp.nn.seeding import draw_from, generators_kept
from pvt_exp.system import machine, signals
from pvt_exp.system.seeds import derive
from pvt_exp.system.words import several

if TYPE_CHECKING:
    from pvt_exp.config.placement import Placement
    from pvt_exp.config.run import Run

Batch = dict[str, Any]
"""``image`` float [B, 3, H, W] and ``target``, with B entries, among what else the task's `Pipeline.collate` gives, all
tensors or lists of B entries; and ``skipped``: the reason of each bad image."""
VAL_IMAGES = 64  # a batch in validation at least, where it is not said what fits


class Pipeline(NamedTuple):
    """How a task turns samples into batches. All of it can be pickled, as loading processes may be spawned."""

    train: Callable[[Any, Any], tuple[Tensor, Any]]
    """(PIL image, target) to the transformed pair; draws from the global generators."""
    test: Callable[[Any, Any], tuple[Tensor, Any]]
    collate: Callable[[list[Any]], Batch]
    """Transformed pairs to ``image``, ``target`` and what else the task needs."""
    mix: Callable[[Batch], Batch] | None = None
    """What is done to a whole group in training; draws from the global generators."""
    repeats: int = 1
    """How often an image is drawn in an epoch; the epoch then has correspondingly fewer images."""
    shapes: Callable[[Any], Sequence[int]] | None = None
    """The kind of each sample's shape: a training group holds one kind, so that padding wastes little."""
    val_images: int = VAL_IMAGES
    blank: Any = 0
    """The target that `test` gets for an image without a label."""


def loaders(
    run: "Run",
    pipeline: Pipeline,
    train: Sequence[Any],
    val: Sequence[Any],
    placement: "Placement",
    *,
    rank: int = 0,
    world: int = 1,
) -> tuple["Loader", "Loader"]:
    """The training loader, in micro-batches, and the validation loader, in the data's order with nothing left out.

    Raises:
        ValueError: if the batch does not fit the data, or its parts do not fit one another.
        DataError: if none of the validation images can be read.
    """
    skip = getattr(run.dataset, "on_bad_image", "fail") == "skip"
    group, micro = run.ghost_batch_size, placement.micro_batch or run.ghost_batch_size
    if group % micro:
        raise ValueError(f"a micro-batch of {micro} images does not divide the run's ghost_batch_size {group}")
    shapes = pipeline.shapes(train) if pipeline.shapes else None
    order = Order(
        len(train),
        run.batch_size,
        group,
        repeats=pipeline.repeats,
        seed=run.seed,
        shapes=shapes,
        rank=rank,
        world=world,
    )
    groups = Groups(train, pipeline.train, pipeline.collate, pipeline.mix, run.seed, "next" if skip else "fail")
    tests = val_loader(run, pipeline, val, placement, rank=rank, world=world)
    return Loader(groups, order, placement, micro, order.ghost_batch_size), tests


def val_loader(
    run: "Run", pipeline: Pipeline, val: Sequence[Any], placement: "Placement", *, rank: int = 0, world: int = 1
) -> "Loader":
    """The validation loader alone, which no batch size has to fit.

    Raises:
        DataError: if there are fewer images than processes, or a process can read none of its own.
    """
    skip = getattr(run.dataset, "on_bad_image", "fail") == "skip"
    if len(val) < world:
        raise DataError(f"{world} processes cannot share {several(len(val), 'validation image')}")
    # Validating holds far less for an image than training does, so only a micro-batch that was asked for binds it.
    size = placement.micro_batch or max(run.ghost_batch_size, pipeline.val_images)
    if world > 1:  # each has some, else it would not take part in scoring
        size = min(size, len(val) // world)
    if skip:
        for each in range(world):
            _check_readable(val, InOrder(len(val), size, each, world))
    tests = Groups(val, pipeline.test, pipeline.collate, None, None, "leave out" if skip else "fail")
    return Loader(tests, InOrder(len(val), size, rank, world), placement)


def _check_readable(val: Sequence[Any], order: InOrder) -> None:
    """Raise DataError now, rather than after an epoch, if a process can read none of its validation images."""
    places = [key.image for keys in order for key in keys]
    if (why := unreadable(val, places)) is not None:
        by = f" by process {order.rank + 1} of {order.world}" if order.world > 1 else ""
        raise DataError(none_of(len(places), f"be scored on{by}", why))


class Groups(Dataset[Batch]):
    """The torch data set of a loading process: a group of keys to a batch."""

    def __init__(
        self,
        samples: Sequence[Any],
        transform: Callable[[Any, Any], tuple[Tensor, Any]],
        collate: Callable[[list[Any]], Batch],
        mix: Callable[[Batch], Batch] | None,
        seed: int | None,
        on_bad: str,
    ) -> None:
        self.samples, self.transform, self.collate, self.mix = samples, transform, collate, mix
        self.seed, self.on_bad = seed, on_bad

    def __getitem__(self, keys: list[Key]) -> Batch:
        with generators_kept():
            return self._batch(keys)

    def _batch(self, keys: list[Key]) -> Batch:
        loaded = [self._load(key) for key in keys]
        pairs = [pair for pair, _ in loaded if pair is not None]
        skipped = {"skipped": [why for _, why in loaded if why is not None]}
        if not pairs:
            return skipped
        batch = self.collate(pairs)
        if self.mix is not None:
            assert self.seed is not None
            draw_from(derive(self.seed, "mix", keys[0].epoch, keys[0].position // len(keys)))
            batch = self.mix(batch)
        # Channels-last is where the models want images; a batch that is turned on the GPU is there twice.
        return {**batch, "image": batch["image"].contiguous(memory_format=torch.channels_last), **skipped}

    def _load(self, key: Key) -> tuple[Any, str | None]:
        """The transformed image and its target, None if it is left out; and the reason if the image is bad."""
        try:
            return self._transformed(key, key.image), None
        except BadImage as error:
            if self.on_bad == "fail":
                raise
            why = str(error)
        bad = why if key.repeat == 0 else None  # an image counts once an epoch, however often it is drawn
        if self.on_bad == "leave out":
            return None, bad
        for further in range(1, len(self.samples)):
            try:
                return self._transformed(key, (key.image + further) % len(self.samples)), bad
            except BadImage:
                continue
        raise BadImage("none of the images can be read")

    def _transformed(self, key: Key, index: int) -> tuple[Any, Any]:
        image, target = self.samples[index]
        if self.seed is not None:
            draw_from(derive(self.seed, "sample", key.epoch, key.image, key.repeat))
        return self.transform(image, target)


class Loader:
    """Iterates over an epoch's micro-batches.

    Lightning calls ``loader.sampler.set_epoch(epoch)`` before each epoch, but may have called ``iter(loader)`` before
    that (on a resume it does, with the sampler still at epoch 0). So nothing is drawn before the first batch is asked
    for, unlike in a plain DataLoader with workers. Without Lightning, call `set_epoch`.
    """

    batch_sampler = None  # Lightning asks for it wherever there is a sampler

    def __init__(
        self,
        groups: Groups,
        sampler: Order | InOrder,
        placement: "Placement",
        micro: int | None = None,
        group: int | None = None,
    ) -> None:
        self.sampler, self.micro, self._groups = sampler, micro, groups
        self.parts = group // micro if group and micro and micro < group else 1
        self._given = self._start = 0
        workers = min(placement.workers, len(sampler))
        big = sampler.ghost_batch_size >= 256  # a worker that is two groups ahead would hold a gigabyte at 224 pixels
        self.groups: DataLoader[Batch] = DataLoader(
            groups,
            sampler=sampler,
            batch_size=None,  # an item is a group already
            collate_fn=_as_it_is,  # type: ignore[arg-type]  # else tuples become lists
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,  # in a sweep the default has each import torch anew
            worker_init_fn=_serve,
            prefetch_factor=(1 if big else 2) if workers else None,
            persistent_workers=workers > 0,
            pin_memory=bool(placement.gpus),
            generator=torch.Generator(),  # else each epoch draws a number from the generator that training uses
        )
        weakref.finalize(self, _stop_workers, self.groups)

    @property
    def samples(self) -> Any:
        """What it loads from."""
        return self._groups.samples

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is."""
        if isinstance(self.sampler, Order):
            self.sampler.set_epoch(epoch)

    @property
    def place(self) -> int:
        """Groups that all ranks together have yielded in this epoch, each as many as this one; 0 at the epoch's end."""
        return self._given % len(self) // self.parts * self.sampler.world

    def start_at(self, place: int) -> int:
        """Start the next iteration at a `place`; returns how many micro-batches of this rank are skipped."""
        self._start = place // self.sampler.world * self.parts
        return self._start

    def __len__(self) -> int:
        return len(self.sampler) * self.parts

    def __iter__(self) -> Iterator[Batch]:
        self._given, self._start = self._start, 0
        if isinstance(self.sampler, Order):
            self.sampler.start = self._given // self.parts
        for batch in self._batches():
            self._given += 1
            yield batch

    def _batches(self) -> Iterator[Batch]:
        waiting: Batch | None = None
        skipped: list[str] = []
        for group in self._read():
            # A group of which nothing is left is not given out; its bad images count with the group before it, which
            # waits until the next one is there.
            if "image" in group:
                if waiting is not None:
                    yield from self._cut(waiting, skipped)
                    skipped = []
                waiting = group
            skipped = skipped + group["skipped"]
        if waiting is not None:
            yield from self._cut(waiting, skipped)
        elif skipped:
            raise BadImage("none of the images can be read")

    def _read(self) -> Iterator[Batch]:
        try:
            # Those that load are forked here; what comes before they can tell whom a signal is from waits.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.SIGNALS)
            try:
                groups = iter(self.groups)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield from groups
        except DataError as error:
            text, kind = str(error.args[0]), type(error)
            if "Original Traceback" not in text:
                raise kind(text) from None
            last = text.strip().splitlines()[-1]  # a worker's traceback; this line is what a person needs
            raise kind(last.removeprefix(f"{kind.__module__}.{kind.__qualname__}: ")) from None

    def _cut(self, group: Batch, skipped: list[str]) -> Iterator[Batch]:
        size = -(-len(group["target"]) // self.parts)
        for start in range(0, len(group["target"]), size):
            part = {name: value[start : start + size] for name, value in group.items() if name != "skipped"}
            yield {**part, "skipped": [] if start else skipped}


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _serve(worker: int) -> None:
    """Set up a loading process: ignore all signals but the run's own, as a run that stops needs images to finish its step.

    Also report a batch that cannot be sent to the run. By default a thread only prints that, and the run would wait.
    """
    queues.Queue._on_queue_feeder_error = _send_reason  # type: ignore[attr-defined]
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))  # a run's limit counts what this process has of the run's
    for number in signals.SIGNALS:
        if number != signal.SIGTERM:  # which stays blocked, and is taken in a thread
            signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_when_told, args=(os.getppid(),), daemon=True).start()


class NotHandedOver(DataError):
    """A loading process cannot send a batch to the run."""


def _send_reason(queue: "queues.Queue[Any]", error: Exception, item: Any) -> None:
    """Send the reason in place of the batch that could not be sent."""
    why = " ".join(str(error).split()) or type(error).__name__
    if any(word in why for word in ("shared memory", "shm", "No space left")):
        why = machine.shared_too_small(why)
    else:
        why = f"a loading process could not hand over its batch: {type(error).__name__}: {why}"
    try:
        raise NotHandedOver(why)
    except NotHandedOver:
        queue.put((item[0], ExceptionWrapper(where="in a loading process")))  # type: ignore[no-untyped-call]


def _end_when_told(run: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != run and os.getppid() == run:
        pass  # a cluster's
    os._exit(0)


def _stop_workers(groups: "DataLoader[Batch]") -> None:
    # Left to the garbage collector, as part of a cycle through Lightning's Trainer or a traceback, the queues to the
    # workers are closed before the workers are told to stop, and torch waits 5 s for them.
    if (iterator := getattr(groups, "_iterator", None)) is not None and hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()
        groups._iterator = None

"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"), 32 x 32 pixels."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pvt_exp.config import DataError
from pvt_exp.datasets import Dataset, Facts, Split, fingerprint, scan

if TYPE_CHECKING:
    from pvt_exp.nn.data.cifar import Cifar

FOLDERS = {10: "cifar-10-batches-py", 100: "cifar-100-python"}
FILES = {
    10: [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"],
    100: ["train", "test", "meta"],
}
CLASSES = {
    10: "airplane automobile bird cat deer dog frog horse ship truck",
    100: """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
        castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
        elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
        man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
        pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
        skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
        tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm""",
}


class Settings(Dataset):
    """The official Python version, in the folder that torchvision unpacks it to; val is the official test set."""

    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    expects: ClassVar[str] = "cifar-10-batches-py or cifar-100-python"

    kind: Literal["cifar"] = "cifar"
    name: str = Field("cifar10", pattern=r"^[A-Za-z0-9][\w.\-]*$", max_length=64)
    """What the data are called in ``--data NAME=PATH``; ``cifar10`` or ``cifar100`` unless said otherwise."""
    classes: Literal[10, 100] = 10
    """CIFAR-10 or CIFAR-100."""

    @model_validator(mode="before")
    @classmethod
    def _name_by_classes(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("classes") == 100:
            return {"name": "cifar100", **value}
        return value

    @classmethod
    def recognised(cls, root: Path) -> dict[str, Any] | None:
        return next(({"classes": n} for n, name in FOLDERS.items() if (root / name).is_dir()), None)

    @property
    def px(self) -> tuple[int, int] | None:
        return 32, 32

    def inspect(self, root: Path) -> Facts:
        """Looks for the official files; their content is checked against the official MD5 sums when they are opened."""
        folder = self.folder(root)
        present = {entry.name: entry for entry in scan(folder) if entry.is_file()}
        if lacking := [name for name in FILES[self.classes] if name not in present]:
            raise DataError(f"{folder}: lacks {', '.join(lacking)}; {self._how(root)}")
        # Names and sizes are enough here: what is opened is the official content, or an error.
        sizes = [(name, present[name].stat().st_size) for name in FILES[self.classes]]
        return Facts(fingerprint(folder, sizes, read=0), self.class_names(), {"train": 50_000, "val": 10_000})

    def class_names(self) -> tuple[str, ...]:
        """In the order of the official labels."""
        return tuple(CLASSES[self.classes].split())

    def folder(self, root: Path) -> Path:
        """The folder of the official files: in ``root``, or ``root`` itself.

        Raises:
            DataError: if neither is; it says how to get the data.
        """
        names = {entry.name for entry in scan(root)}
        if FOLDERS[self.classes] in names:
            return root / FOLDERS[self.classes]
        if FILES[self.classes][0] in names and FILES[self.classes][-1] in names:
            return root
        raise DataError(f"{root}: no folder {FOLDERS[self.classes]} in it; {self._how(root)}")

    def _how(self, root: Path) -> str:
        call = f"import torchvision; torchvision.datasets.CIFAR{self.classes}({str(root)!r}, download=True)"
        return f'to download it: python -c "{call}"'

    def open(self, root: Path, split: Split, task: str) -> "Cifar":
        from pvt_exp.nn.data.cifar import Cifar

        return Cifar(self.folder(root), self.classes, split)

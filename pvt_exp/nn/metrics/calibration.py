"""Expected calibration error in percent."""

from torch import Tensor
from torchmetrics.classification import MulticlassCalibrationError


class CalibrationError(MulticlassCalibrationError):
    """Torchmetrics', in percent; takes probabilities [B, C] and classes [B]."""

    def compute(self) -> Tensor:
        return 100 * super().compute()

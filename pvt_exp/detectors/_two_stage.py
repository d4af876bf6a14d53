"""What Faster and Mask R-CNN share."""

from pydantic import Field

from pvt_exp.detectors import DetectorSettings


class TwoStage(DetectorSettings):
    """Proposals over maps of strides 4 to 64, then a head for each."""

    head_width: int = Field(1024, ge=1)
    """Width of the two layers of the box head."""
    anchor_scale: float = Field(8.0, ge=1)
    """Side of a map's anchors over the map's stride."""
    max_proposals: int = Field(1000, ge=1)
    """Most proposals of an image."""
    sampled_regions: int = Field(512, ge=1)
    """Proposals of an image that the head is trained on, a quarter of them objects where there are so many."""
    smooth_l1_beta: float = Field(1 / 9, ge=0)
    """Error of an offset below which its loss is square (smooth L1), as torchvision has it; 0: L1, as mmdetection 2 has."""

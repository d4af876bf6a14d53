"""The child of `pvt_exp.cost`: counts models on the meta device, where nothing is computed and no memory is taken."""

import json
import sys
from typing import Any

import torch

from pvt_exp import config
from pvt_exp.component import kinds
from pvt_exp.nn import macs
from pvt_exp.nn.classification import Network


def count(backbone: dict[str, Any], num_classes: int, image_px: int) -> dict[str, int]:
    """Parameters and MACs of one classifier."""
    settings = config.make(kinds("backbones")[backbone["kind"]], backbone)
    with torch.device("meta"):
        network = Network(settings.build(image_px), num_classes).eval()  # type: ignore[attr-defined]
        images = torch.empty(1, 3, image_px, image_px)
    return {"params": sum(p.numel() for p in network.parameters()), "macs": macs.count(network, images)}


if __name__ == "__main__":
    print(json.dumps([count(**question) for question in json.load(sys.stdin)]))

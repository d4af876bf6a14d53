"""What every run imports, imported once by the local launcher's server. Takes seconds, and starts no thread and no CUDA."""

import atexit
import os
import sys

import pytorch_lightning
import timm
import torch
import torchmetrics
import torchvision
import wandb

from pvt_exp import cli
from pvt_exp.nn.backbones import pvt
from pvt_exp.nn.data import loader
from pvt_exp.nn.dense import mask_rcnn, retinanet, semantic_fpn
from pvt_exp.nn.tasks import classification, detection, semantic
from pvt_exp.store import provenance
from pvt_exp.system import signals
from pvt_exp.train import fit, worker

__all__ = [
    "classification",
    "cli",
    "detection",
    "fit",
    "loader",
    "mask_rcnn",
    "provenance",
    "pvt",
    "pytorch_lightning",
    "retinanet",
    "semantic",
    "semantic_fpn",
    "signals",
    "timm",
    "torch",
    "torchmetrics",
    "torchvision",
    "wandb",
    "worker",
]


def _leave() -> None:
    """End at once: taking all this apart takes seconds, in which what reads the driver's output would wait."""
    media = getattr(sys.modules.get("wandb.sdk.data_types._private"), "MEDIA_TMP", None)
    if media is not None:
        media.cleanup()  # a folder for temporary files, which wandb makes when it is imported
    os._exit(0)


atexit.register(_leave)
provenance.versions()  # every result has them, and to read them takes a moment
signals.ignore()  # a cluster's signal is for the driver and its runs, which need the server to the end

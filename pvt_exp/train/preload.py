"""What every run imports, imported once by the local launcher's server. Takes seconds, and starts no thread and no CUDA."""

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

provenance.versions()  # every result has them, and to read them takes a moment
signals.ignore()  # a cluster's signal is for the driver and its runs, which need the server to the end

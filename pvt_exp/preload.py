"""What every run imports, imported once by the local launcher's server. Takes seconds, and starts no thread and no CUDA."""

import atexit
import os

import pytorch_lightning
import timm
import torch
import torchmetrics
import torchvision
import wandb

from pvt_exp import cli, provenance, stopping, train, worker
from pvt_exp.nn import classification, detection, loader, mask_rcnn, pvt, retinanet, semantic, semantic_fpn

__all__ = [
    "classification",
    "cli",
    "detection",
    "loader",
    "mask_rcnn",
    "provenance",
    "pvt",
    "pytorch_lightning",
    "retinanet",
    "semantic",
    "semantic_fpn",
    "stopping",
    "timm",
    "torch",
    "torchmetrics",
    "torchvision",
    "train",
    "wandb",
    "worker",
]

atexit.register(os._exit, 0)  # taking all this apart takes seconds, in which what reads the driver's output would wait
provenance.versions()  # every result has them, and to read them takes a moment
stopping.ignore()  # a cluster's signal is for the driver and its runs, which need the server to the end

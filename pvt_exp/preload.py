"""What every run imports, imported once by the local launcher's server. Takes seconds, and starts no thread and no CUDA."""

import pytorch_lightning
import timm
import torch
import torchmetrics
import torchvision
import wandb

from pvt_exp import cli, train, worker
from pvt_exp.nn import classification, loader, pvt

__all__ = [
    "classification",
    "cli",
    "loader",
    "pvt",
    "pytorch_lightning",
    "timm",
    "torch",
    "torchmetrics",
    "torchvision",
    "train",
    "wandb",
    "worker",
]

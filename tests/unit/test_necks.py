"""What can be written under ``neck:``, and which backbones a neck goes with."""

import re

import pytest
from pydantic import ValidationError

from pvt_exp.necks.fpn import Settings as Fpn
from pvt_exp.necks.vit_pyramid import Settings as ViTPyramid


def test_a_neck_says_what_it_cannot_be_built_on() -> None:
    Fpn().check((4, 8, 16, 32))
    Fpn().check((8, 16, 32, 64))
    for patch in (4, 8, 16, 32):
        ViTPyramid().check((patch, patch, patch))
    for neck, strides, said in (
        (Fpn(), (16, 16, 16), "several strides and the backbone's are 16, 16, 16; write neck: {kind: vit_pyramid}"),
        (Fpn(), (16,), "write neck: {kind: vit_pyramid}"),
        (Fpn(), (4, 16, 32), "strides that double from map to map and the backbone's are 4, 16, 32"),
        (
            ViTPyramid(),
            (4, 8, 16, 32),
            "a plain ViT and the backbone's maps have strides 4, 8, 16, 32; write neck: {kind",
        ),
        (ViTPyramid(), (14, 14), "which patches of 14 pixels do not allow; take a ViT with patches of 4, 8, 16 or 32"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            neck.check(strides)


def test_a_neck_has_some_width() -> None:
    with pytest.raises(ValidationError, match="width"):
        Fpn(width=0)

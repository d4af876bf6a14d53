"""Unit tests, which all who land wait for."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def _nothing_waits_for_the_disk() -> Iterator[None]:
    """That files are on the disk before they are renamed matters when the power fails; 6,000 waits for it matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: None)
        yield

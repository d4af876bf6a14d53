"""Numbers as they are typed: ``0-3,7``."""

import re

import pytest

from pvt_exp.cli.options import numbers
from pvt_exp.config import ConfigError


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0-99999999", "these are more than 10,000 numbers"),
        ("0-9999,10000", "these are more than 10,000 numbers"),
        ("4294967296", "4294967296 is too large: the largest is 4294967295"),
        ("99999999999", "99999999999 is too large: the largest is 4294967295"),
        ("3-0", "write numbers, for instance 0-3 or 0,2,5"),
        ("one", "write numbers, for instance 0-3 or 0,2,5"),
    ],
)
def test_what_is_wrong_with_numbers_is_told(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"--seeds {text}: {why}")):
        numbers("--seeds", text)


def test_numbers_and_spans_of_them() -> None:
    assert numbers("--seeds", "0-3,7") == (0, 1, 2, 3, 7)
    assert len(numbers("--seeds", "0-9999")) == 10_000
    assert numbers("--seeds", "4294967295") == (2**32 - 1,)

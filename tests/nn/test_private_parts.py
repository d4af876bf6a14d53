"""Private parts of libraries that the package leans on (docs/architecture.md): this tells when one of them moves."""

import importlib
import inspect
from typing import Any

import pytest

from tests.architecture.test_private_parts import rows


def _there(name: str) -> bool:
    """Whether a library has that: a module, something in it, or what a class of it sets on its objects."""
    words = name.split(".")
    at: Any = None
    for count in range(1, len(words) + 1):
        try:
            at = importlib.import_module(".".join(words[:count]))
        except ModuleNotFoundError:
            break
    for word in words[count - 1 :] if at.__name__ != name else ():
        if not hasattr(at, word):
            return inspect.isclass(at) and f"self.{word}" in inspect.getsource(at)
        at = getattr(at, word)
    return True


@pytest.mark.parametrize("name", [name for _, name, _, _ in rows()])
def test_a_private_part_is_where_it_was(name: str) -> None:
    assert _there(name), f"{name} has moved: mend what leans on it, and the list in docs/architecture.md"
    assert not _there(f"{name}_gone")

"""Private parts of libraries that the package leans on are in one list; tests/nn tells when one of them moves."""

import ast
import re
import tomllib

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "pvt_exp"
PUBLIC = {"_replace", "_asdict", "_fields", "_exit"}
"""Of named tuples and ``os``: documented, though they begin with an underscore."""


def _private(words: str) -> str | None:
    """The last private word of a dotted name, if it has one."""
    found = [word for word in words.split(".") if word.startswith("_") and not word.startswith("__")]
    return found[-1] if found else None


def _own(trees: list[ast.AST]) -> set[str]:
    """Private names that the package defines: functions, classes, fields, variables, modules."""
    found = {path.stem for path in PACKAGE.rglob("_*.py")}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            found.add(node.attr)
    return found


def _used(tree: ast.AST, own: set[str]) -> set[str]:
    """Private names of others that a file imports or asks an object for."""
    found: set[str | None] = set()
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("pvt_exp"):
            found |= {_private(f"{node.module}.{each.name}") for each in node.names}
        elif isinstance(node, ast.Import):
            found |= {_private(each.name) for each in node.names if not each.name.startswith("pvt_exp")}
        elif isinstance(node, ast.Attribute) and id(node) not in inner:
            words: list[str] = []
            at: ast.expr = node
            while isinstance(at, ast.Attribute):
                words, at = [at.attr, *words], at.value
            found |= {_private(".".join(word for word in words if word not in own | PUBLIC))}
    return {name for name in found if name is not None}


def rows() -> list[tuple[str, str, list[str], str]]:
    """Of the table in docs/architecture.md: library, name, files, version."""
    text = (ROOT / "docs/architecture.md").read_text().split("\n## Private parts of libraries\n")[1].split("\n## ")[0]
    found = []
    for line in re.findall(r"^\| (.*) \|$", text, re.MULTILINE)[1:]:
        library, name, files, version = line.split(" | ")
        found.append((library, name.strip("`"), re.findall(r"`([^`]+)`", files), version))
    return found


def test_private_parts_of_libraries_are_in_the_list_with_the_files_that_lean_on_them() -> None:
    trees = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
    own = _own(list(trees.values()))
    found = {(name, str(path.relative_to(PACKAGE))) for path, tree in trees.items() for name in _used(tree, own)}
    told = {(word, file) for _, name, files, _ in rows() for file in files for word in name.split(".")}
    assert found - told == set(), "to be added to the list"
    for _, name, files, _ in rows():
        for file in files:
            assert name.rpartition(".")[2] in (PACKAGE / file).read_text(), f"{file} does not need {name} any more"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from torch._C import x", {"_C"}),
        ("from torch import _C", {"_C"}),
        ("import numpy._core as core", {"_core"}),
        ("trainer._loop.go()", {"_loop"}),
        ("a.b()._hidden", {"_hidden"}),
        ("self._ours, each._replace(a=1), os._exit(0), x.__class__", set()),
        ("from pvt_exp.tables import _marks", set()),
    ],
)
def test_private_names_of_others_are_found(source: str, names: set[str]) -> None:
    assert _used(ast.parse(source), {"_ours"}) == names


def test_libraries_with_private_parts_have_an_upper_bound_and_the_version_that_was_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    needed = {re.split(r"[<>=]", each)[0]: each for each in project["dependencies"]}
    for library, _, _, version in rows():
        if library != "Python":
            assert "<" in needed[library], library
            assert version == pinned[library], library

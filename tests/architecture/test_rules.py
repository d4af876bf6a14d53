"""The shape of the code, as tests: what is light stays light, a kind is a file, words and schemas are kept."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from pvt_exp.cli import json_schema
from pvt_exp.config.component import GROUPS, kinds
from tests.conftest import ROOT


@pytest.mark.parametrize("group", GROUPS)
def test_a_kind_is_the_name_of_its_file(group: str) -> None:
    for kind, settings in kinds(group).items():
        assert settings.model_fields["kind"].default == kind
        assert settings.__name__ == "Settings"
        assert sys.modules[settings.__module__].__doc__


@pytest.mark.parametrize("group", GROUPS)
def test_every_field_is_told_in_the_editor(group: str) -> None:
    for kind, settings in kinds(group).items():
        obvious = {"kind", "std", "interpolation", "label_smoothing", "train_images", "val_images", "augment", "mixing"}
        untold = set(settings.model_fields) - set(json_schema.field_docs(settings)) - obvious
        assert not untold, f"{group}/{kind}"


def test_schemas_are_current() -> None:
    for name, text in json_schema.texts().items():
        assert (ROOT / "docs/schema" / name).read_text() == text, "pvt-exp schema writes them anew"


def test_only_the_usual_table_may_leave_out_its_kind() -> None:
    for kind, settings in kinds("tables").items():
        assert ("kind" in settings.model_json_schema().get("required", ())) == (kind != "ablation")


LONGEST, MOST_BRANCHES = 60, 15


def _long(source: str) -> list[str]:
    """The functions of more lines than that, without a comment on their first line that says why: ``# long: ...``."""
    lines = source.splitlines()
    functions = [
        each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [
        each.name
        for each in functions
        if (each.end_lineno or 0) - each.lineno >= LONGEST and not re.search(r"  # long: \w", lines[each.lineno - 1])
    ]


def test_no_function_is_long_without_a_reason() -> None:
    found = {str(path): long for path in (ROOT / "pvt_exp").rglob("*.py") if (long := _long(path.read_text()))}
    assert found == {}
    for lines, why, names in ((59, "", []), (60, "", ["f"]), (60, "  # long: a table", []), (60, "  # long", ["f"])):
        assert _long(f"def f():{why}\n" + "    pass\n" * lines) == names


def test_no_function_branches_much_without_a_reason() -> None:
    """Ruff counts the branches (C901); a comment behind its ``noqa`` says why one may have more."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "C901" in told["select"]
    assert "C901" not in [*told["ignore"], *(code for codes in told["per-file-ignores"].values() for code in codes)]
    assert told["mccabe"]["max-complexity"] == MOST_BRANCHES
    excepted = re.compile(r"noqa: (?:[A-Z0-9, ]*, ?)?C901(?!  # \w)")
    for path in (ROOT / "pvt_exp").rglob("*.py"):
        assert not excepted.search(path.read_text()), path


def test_no_file_is_named_for_nothing() -> None:
    names = {path.stem for path in (ROOT / "pvt_exp").rglob("*.py")}
    assert not names & {"utils", "util", "common", "helpers", "manager", "misc"}


def test_nothing_names_a_place_of_one_machine() -> None:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False).stdout
    pattern = re.compile(r"/(?:root|home|work|tmp/venv)/\w|https?://[\w.]*(?:pypi|mirror)", re.IGNORECASE)
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".yaml", ".md", ".toml", ".txt", ".tex", ".html", ".json", "") and path.is_file():
            assert not pattern.search(path.read_text(errors="replace")), name


def test_the_architecture_has_a_line_and_a_picture_of_every_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text().split("\n## Packages\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    told = [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]
    there = {path.parent.name for path in (ROOT / "pvt_exp").glob("*/__init__.py")}
    assert sorted(told) == sorted(there)
    drawn = set(re.findall(r"\w+", text.split("```mermaid")[1].split("```")[0]))
    assert there - drawn == set()


def test_no_module_lies_beside_the_packages() -> None:
    assert {path.name for path in (ROOT / "pvt_exp").glob("*.py")} == {"__init__.py", "__main__.py"}


def test_every_package_says_what_it_is_about() -> None:
    for path in (ROOT / "pvt_exp").rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        assert len(ast.get_docstring(tree) or "") > 20, path


MAY_START = {
    "system/children": "Python",
    "launchers/local": "its server of forks; nvidia-smi",
    "store/provenance": "git; it records the path of Python",
    "cost/calibration": "nvidia-smi",
}
"""Modules that start processes, and which."""
STARTED = re.compile(
    r"sys\.executable|subprocess\.(?:run|Popen|call|check_\w+)\(|os\.(?:exec|spawn|system|posix_spawn)"
    "|import multiprocessing"
)


def test_python_is_started_in_one_way() -> None:
    """``python -m`` anywhere else would import what lies in the folder where one types."""
    found = {
        str(path.relative_to(ROOT / "pvt_exp").with_suffix(""))
        for path in (ROOT / "pvt_exp").rglob("*.py")
        if STARTED.search(path.read_text())
    }
    assert found == set(MAY_START)
    for name in ("launchers/local", "cost/calibration"):
        assert "sys.executable" not in (ROOT / "pvt_exp" / f"{name}.py").read_text()


UNIT_TESTS_MAY_START = {
    "test_home": "Python, to see that tests leave a person's home alone",
}
"""Unit tests that start Python, 0.3 s each at least and everyone waits for them; others that do are in tests/e2e."""


def test_few_unit_tests_start_a_process() -> None:
    starts = re.compile(r"sys\.executable|\bcli\(|children\.run")
    found = {path.stem for path in (ROOT / "tests/unit").glob("*.py") if starts.search(path.read_text())}
    assert found == set(UNIT_TESTS_MAY_START)


MAY_WRITE_TEXT = {
    "system/files": "`put`, `append` and `write`, which have an escape for names that are not UTF-8",
    "system/locks": "a file that is locked and stays empty",
    "cost": "questions to a child, in JSON of plain ASCII, and what it says of errors",
}
"""Modules that open files as text to write in them, and which."""
TEXT_MODE = re.compile(r"[rwxat+]*[wxa+][rwxat+]*")


def _writes_text(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "write_text":
        return True
    given = [*call.args[:2], *(word.value for word in call.keywords if word.arg == "mode")]
    modes = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    opens = name in ("open", "fdopen", "TemporaryFile", "NamedTemporaryFile")
    return opens and any(map(TEXT_MODE.fullmatch, modes))


def test_text_is_written_in_one_way() -> None:
    """Any other way stops at a name that is not UTF-8, or at a machine whose encoding lacks a letter."""
    package, found = ROOT / "pvt_exp", set()
    for path in package.rglob("*.py"):
        if any(_writes_text(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            found.add(str(path.relative_to(package).with_suffix("")).removesuffix("/__init__"))
    assert found == set(MAY_WRITE_TEXT)
    for source in ('p.open("a")', 'open(p, "w")', 'open(p, mode="x")', "p.write_text(t)", 'os.fdopen(h, "r+")'):
        assert _writes_text(ast.parse(source, mode="eval").body), source  # type: ignore[arg-type]
    for source in ('p.open("ab")', 'p.open(encoding="utf-8")', 'data.open(root, "train")', "p.write_bytes(t)"):
        assert not _writes_text(ast.parse(source, mode="eval").body), source  # type: ignore[arg-type]


def test_json_with_letters_beyond_ascii_is_made_where_escapes_are_known() -> None:
    found = {path.stem for path in (ROOT / "pvt_exp").rglob("*.py") if "ensure_ascii" in path.read_text()}
    assert found == {"files", "streams"}, "files.dump writes it, streams.print_json prints it"


def test_only_the_view_of_a_driver_prints() -> None:
    """What is driven is returned, and the command line prints it; meanwhile lines and boards go to `drive.live.View`."""
    prints = re.compile(r"\bprint\(|\bconsole\b|import rich|from rich|sys\.std(?:out|err)")
    assert {path.stem for path in (ROOT / "pvt_exp/drive").glob("*.py") if prints.search(path.read_text())} == {"live"}

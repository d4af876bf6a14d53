"""YAML to models: what a person gets wrong is told with its place."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator

from pvt_exp import config
from pvt_exp.config import ConfigError, Frozen
from pvt_exp.config.run import Run


class Small(Frozen):
    kind: Literal["small"] = "small"
    width: int = Field(8, ge=1)


class Large(Frozen):
    kind: Literal["large"] = "large"
    width: int = 64
    heads: tuple[int, ...] = (1, 2)

    @field_validator("heads")
    @classmethod
    def _even(cls, heads: tuple[int, ...]) -> tuple[int, ...]:
        if len(heads) % 2:
            raise ValueError("must be even in number")
        return heads


class Model(Frozen):
    net: Annotated[Small | Large, Field(discriminator="kind")] = Small()
    lr: float = 1.0
    name: str | None = None
    epochs: int = 1


def problems(tmp_path: Path, text: str | bytes, *overrides: str) -> list[str]:
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        config.load(Model, path, overrides)
    return [line.removeprefix(str(tmp_path) + "/") for line in caught.value.problems]


def load(tmp_path: Path, text: str, *overrides: str) -> Model:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return config.load(Model, path, overrides)


def test_numbers_and_words(tmp_path: Path) -> None:
    assert load(tmp_path, "lr: 1e-3").lr == 1e-3
    assert load(tmp_path, "name: 'on'").name == "on"
    assert load(tmp_path, "name: 1:30").name == "1:30"
    assert load(tmp_path, "name: ~").name is None
    assert load(tmp_path, "net: {kind: large, heads: [3, 4]}").net == Large(heads=(3, 4))


def test_all_errors_at_once_with_their_lines(tmp_path: Path) -> None:
    found = problems(tmp_path, "lr: fast\nepochs: 1.5\nnmae: x\nnet:\n  kind: large\n  widht: 3\n  heads: [1]\n")
    assert sorted(found) == [
        "x.yaml:1: lr: must be a valid number, not 'fast'",
        "x.yaml:2: epochs: must be a valid integer, not 1.5",
        "x.yaml:3: nmae: unknown key; did you mean name",
        "x.yaml:6: net.widht: unknown key; did you mean net.width",
        "x.yaml:7: net.heads: must be even in number",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr: 1\nlr: 2\n", "x.yaml:2: lr: this key stands here twice"),
        ("net:\n\tkind: large\n", "x.yaml:2: a tab: YAML is indented with spaces"),
        ("", "x.yaml: the file is empty"),
        ("# only a comment\n", "x.yaml: the file is empty"),
        ("- 1\n- 2\n", "x.yaml: a mapping of fields is due here, not a list"),
        ('"a\\n[b": 1\n', "x.yaml:1: a\\n[b: unknown key"),
        ("net: {kind: large, heads: [1, x]}\n", "x.yaml:1: net.heads.1: must be a valid integer, not 'x'"),
        ("lr: [1\n", "x.yaml:2: expected ',' or ']', but got '<stream end>'"),
        (b"\x80\x81\xff\x00", "x.yaml: not a text file"),
        ("lr: '1'\n", "x.yaml:1: lr: must be a valid number, not '1'"),
        ("epochs: true\n", "x.yaml:1: epochs: must be a valid integer, not True"),
        ("net: {kind: lrage}\n", "x.yaml:1: net: unknown kind 'lrage'; did you mean large"),
        ("net: {kind: zzz}\n", "x.yaml:1: net: unknown kind 'zzz'; one of small, large"),
        ("net: {width: 3}\n", "x.yaml:1: net: this mapping must say its kind"),
        ("net:\n  heads: 3\n  kind: large\n", "x.yaml:2: net.heads: must be a list, such as [3], not 3"),
        ("heads: [1, 2]\n", "x.yaml:1: heads: unknown key; did you mean net.heads"),
    ],
)
def test_one_error(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert problems(tmp_path, text) == [said]


def test_aliases_cannot_explode(tmp_path: Path) -> None:
    bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
    bomb += "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert "aliases that expand without end" in problems(tmp_path, bomb)[0]


def test_nesting_without_end(tmp_path: Path) -> None:
    assert problems(tmp_path, "[" * 1_000)[0].startswith("x.yaml: not YAML")


def test_missing_file_names_a_near_one(tmp_path: Path) -> None:
    (tmp_path / "pvt_tiny.yaml").write_text("lr: 1")
    with pytest.raises(ConfigError, match=r"no such file; did you mean .*pvt_tiny\.yaml"):
        config.load(Model, tmp_path / "pvt_tinny.yaml")


def test_overrides(tmp_path: Path) -> None:
    model = load(tmp_path, "lr: 1\nnet: {kind: large}\n", "lr=1e-3", "net.heads=[4, 8]", "net.heads.1=16", "name=x=y")
    assert model == Model(lr=1e-3, net=Large(heads=(4, 16)), name="x=y")
    assert load(tmp_path, "net: {kind: large, width: 1}\n", "net={kind: small}").net == Small()


@pytest.mark.parametrize(
    ("first", "again"),
    [("lr=1", "lr=2"), ("lr=1", "lr=1"), ("net.heads.1=9", "net.heads=[1, 1]"), ("net.width=1", "net={width: 2}")],
)
def test_an_override_that_would_be_lost_is_refused(tmp_path: Path, first: str, again: str) -> None:
    told = problems(tmp_path, "net: {kind: large}\n", first, "name=x", again)
    assert told == [f"override '{again}': '{first}' sets that too; write one of them"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lrr=1", "override 'lrr=1': lrr: unknown key; did you mean lr"),
        ("lr", "override 'lr': write field=value, for instance optim.lr=1e-3"),
        ("lr=[", "override 'lr=[': expected the node content, but found '<stream end>'"),
        ("lr.x=1", "override 'lr.x=1': lr.x: 'x' leads into 1, which has no fields"),
        ("net.widht=1", "override 'net.widht=1': net.widht: unknown key; did you mean net.width"),
        ("nte.width=1", "override 'nte.width=1': nte: unknown key; did you mean net"),
    ],
)
def test_an_error_in_an_override_names_it(tmp_path: Path, word: str, said: str) -> None:
    assert problems(tmp_path, "lr: 1\nnet: {kind: small}\n", word) == [said]


@pytest.mark.parametrize(
    ("change", "most"),
    [
        ("backbone.depths.1=9999999999", "backbone.depths.1: must be less than or equal to 10000"),
        ("task.num_classes=9999999999", "task.num_classes: must be less than or equal to 1000000"),
        ("epochs=9999999999", "epochs: must be less than or equal to 1000000"),
        ("batch_size=9999999999", "batch_size: must be less than or equal to 10000000"),
    ],
)
def test_numbers_that_no_one_needs_are_refused(change: str, most: str, experiment: Path) -> None:
    with pytest.raises(ConfigError) as told:
        config.load(Run, experiment, [change])
    assert any(most in problem for problem in told.value.problems)

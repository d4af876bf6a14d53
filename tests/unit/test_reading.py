"""YAML 1.2's scalars, tags, merges and encodings; text that may be meant as something else."""

import os
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from pvt_exp import config
from pvt_exp.config import ConfigError, Frozen, reading
from pvt_exp.config.placement import Site
from pvt_exp.system import files


class Options(Frozen):
    anything: Any = None
    options: dict[str, bool | int | float | str | tuple[bool | int | float | str, ...]] = Field({})
    note: str | None = None
    number: float = 1.0
    flag: bool = False
    words: tuple[str, ...] = ()
    inner: Annotated["Options | None", "of the same fields"] = None


TEXTS = [
    *(
        "1e3",
        "1e-3",
        "1E5",
        "+.5e3",
        "12e03",
        "08",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1:30",
        "2020-01-01",
        "1.",
        ".5",
        "-",
        "+1",
    ),
    *(
        "y",
        "N",
        "yes",
        "Off",
        "None",
        "NONE",
        "null",
        "~",
        "True",
        "FALSE",
        "nan",
        "NaN",
        ".nan",
        "inf",
        "-Infinity",
        ".inf",
    ),
    *("=", "<<", "- a", "a: b", "#x", "", " ", "a\nb", "é", "photos/08", "\U0001f642", "1e3\n"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_is_written_reads_back_as_the_same_text(text: str) -> None:
    written = files.dump_yaml({"x": text, "in": [text], "word": reading.Doubtful(text)})
    back = config.parse(written, "run.yaml").value
    assert back == {"x": text, "in": [text], "word": text}
    assert all(type(each) is str for each in (back["x"], *back["in"], back["word"]))


def value(text: str) -> Any:
    return config.parse(f"x: {text}\n", "a.yaml").value["x"]


def problems(text: str | bytes, folder: Path, *words: str) -> list[str]:
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        config.load(Options, path, words)
    return [line.removeprefix(f"{folder}/") for line in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *((text, None) for text in ("null", "Null", "NULL", "~", "")),
        ("1e-3", 1e-3), ("+1E3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-.5e+1", -5.0), ("0o17", 15), ("0x1F", 31),
        ("017", 17), (".inf", float("inf")), ("-.INF", float("-inf")), ("!!float 2", 2.0), ("!!str 2", "2"),
        ("!!int 2", 2),
        ("'False'", "False"), ('"1e-3"', "1e-3"), ("tRue", "tRue"), ("yes", "yes"), ("1_000", "1_000"), ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"),
    ],
)  # fmt: skip
def test_scalars_of_the_core_schema(text: str, meant: Any) -> None:
    assert value(text) == meant
    assert isinstance(value(text), type(meant))


def test_not_a_number_is_refused_where_numbers_are_due(tmp_path: Path) -> None:
    assert problems("number: .nan\n", tmp_path) == ["a.yaml:1: number: must be a finite number, not nan"]


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        *((word, "write true or false") for word in ("yes", "No", "ON", "off", "y", "N")),
        *(
            (word, "write a plain number")
            for word in ("1_000", "0b11", "1:30", "2026-01-31", "nan", "-inf", "Infinity")
        ),
        ("None", "write null"),
    ],
)
def test_a_doubtful_word_is_refused_where_a_field_takes_anything(word: str, advice: str, tmp_path: Path) -> None:
    for field in ("options.a", "anything", "inner.options.a", "inner.anything"):
        said = f"{advice}, not {word}; if text is meant, in quotes: '{word}'"
        assert problems("note: x\n", tmp_path, f"{field}={word}") == [f"override '{field}={word}': {field}: {said}"]
    assert problems(f"flag: true\noptions:\n  a: [avg, {word}]\n", tmp_path) == [
        f"a.yaml:3: options.a.1: {advice}, not {word}; if text is meant, in quotes: '{word}'"
    ]
    quoted = config.validate(Options, config.parse(f"options: {{a: '{word}'}}\nwords: [{word}]\n", ""))
    assert quoted == Options(options={"a": word}, words=(word,)), "quoted it is text; and where only text can stand"
    assert type(quoted.words[0]) is str


def test_text_or_nothing(tmp_path: Path) -> None:
    assert problems("note: None\n", tmp_path) == [
        "a.yaml:1: note: write null, not None; if text is meant, in quotes: 'None'"
    ]
    assert problems("note: no\n", tmp_path) == [
        "a.yaml:1: note: write null or other text, not no; if text is meant, in quotes: 'no'"
    ]
    assert config.validate(Options, config.parse("note: 'no'\n", "")).note == "no"
    assert problems("flag: yes\n", tmp_path) == ["a.yaml:1: flag: must be true or false, not 'yes'"]


@pytest.mark.parametrize(
    ("tagged", "said"),
    [
        ("!!int abc", "!!int does not fit 'abc'"), ("!!float x", "!!float does not fit 'x'"),
        ("!!int 1.5", "!!int does not fit '1.5'"), ("!!bool yes", "!!bool does not fit 'yes'"),
        ("!!null 0", "!!null does not fit '0'"), ("!!binary aGk=", "the tag !!binary is not known here"),
        ("!!timestamp 2026-01-31", "the tag !!timestamp is not known"), ("!!set {a, b}", "the tag !!set is not known"),
        ("!!omap [a: 1]", "the tag !!omap"), ("!x 1", "the tag !x is not"),
        ("!x {a: 1}", "the tag !x"), ("!x [1]", "the tag !x"),
        ("!!python/object/apply:os.system [ls]", "the tag !!python/object/apply:os.system is not known"),
        ("!!python/name:os.system ''", "the tag !!python/name:os.system"), ("!!int {}", "the tag !!int is not known here"),
    ],
)  # fmt: skip
def test_tags_of_the_core_schema_are_read_and_others_refused(tagged: str, said: str, tmp_path: Path) -> None:
    (told,) = problems(f"note: x\nanything: {tagged}\n", tmp_path)
    assert told.startswith(f"a.yaml:2: {said}")


def test_merge_keys_and_anchors() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b\n  y: 2\nc:\n  <<: [*b, *a]\n  z: 3\nd: {<<: *a, x: 9}\n"
    found = config.parse(text, "a.yaml")
    assert found.value["c"] == {"x": 1, "y": 2, "z": 3}
    assert found.value["d"] == {"x": 9, "y": 1}
    assert found.origins["c", "y"] == "a.yaml:3"
    assert found.origins["d", "x"] == "a.yaml:7"
    with pytest.raises(ConfigError, match=r"a\.yaml:1: <<: merges a mapping"):
        config.parse("<<: 3\n", "a.yaml")


def test_merges_cannot_explode(tmp_path: Path) -> None:
    bomb = "a: &a {x: 1}\n"
    pairs = zip("abcdefgh", "bcdefghi", strict=True)
    bomb += "".join(f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 10)}]}}\n" for a, b in pairs)
    assert "aliases that expand without end" in problems(bomb, tmp_path)[0]


@pytest.mark.parametrize("text", ["a: &a\n  b: *a\n", "a: &a [*a]\n", "a: &a {<<: *a}\n", "&a x: &b {y: [{z: *b}]}\n"])
def test_an_alias_to_what_it_stands_in(text: str, tmp_path: Path) -> None:
    (told,) = problems(text, tmp_path)
    assert told.startswith("a.yaml:1: an alias to what it stands in")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("note: né\n".encode("latin-1"), "a.yaml:1: not UTF-8 (byte 0xe9); save the file in UTF-8"),
        (b"flag: true\nnote: \x80\n", "a.yaml:2: not UTF-8 (byte 0x80); save the file in UTF-8"),
        ("note: x\n".encode("utf-16"), "a.yaml: text in UTF-16; save it in UTF-8"),
        (b"note: x\nwords: [\x00]\n", "a.yaml:2: a character that no text has: '\\x00'"),
        (b'note: "x\\0"\n', "a.yaml:1: a character that no text has: '\\x00'"),
        (b'words: ["x", "\\ud800"]\n', "a.yaml:1: a character that no text has: '\\ud800'"),
        (b'note: x\n"\\0": 1\n', "a.yaml:2: a character that no text has: '\\x00'"),
        (b"note: x\n---\nflag: true\n", "a.yaml:2: a second document begins here (---); a file holds one"),
        (b"note: x\n? [1, 2]\n: 3\n", "a.yaml:2: a key must be a plain word"),
        (b"note: *nowhere\n", "a.yaml:1: found undefined alias 'nowhere'"),
    ],
)
def test_what_is_no_text_of_one_document(data: bytes, said: str, tmp_path: Path) -> None:
    assert problems(data, tmp_path) == [said]


def test_marks_and_line_ends_of_other_systems(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfnote: x\r\nflag: true\r\n")
    assert config.load(Options, path) == Options(note="x", flag=True)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "data:\n", "\ufeff# nothing\n"])
def test_a_site_without_settings(text: str, tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    assert config.load(Site, path, may_be_empty=True) == Site()


@pytest.mark.parametrize(("text", "odd"), [('"x\\0"', "\\x00"), ('"\\ud800"', "\\ud800"), ('"\\udfff"', "\\udfff")])
def test_what_no_text_has_is_told_on_the_command_line(text: str, odd: str, tmp_path: Path) -> None:
    said = [f"override 'note={text}': a character that no text has: '{odd}'"]
    assert problems("flag: true\n", tmp_path, f"note={text}") == said


def test_the_name_of_a_file_that_is_not_utf_8_is_read(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text('data: {photos: "/data/caf\\udce9"}\n')
    assert config.load(Site, tmp_path / "site.yaml").data == {"photos": os.fsdecode(b"/data/caf\xe9")}

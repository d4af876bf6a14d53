"""What is typed after the verbs: numbers as ``0-3,7``, and options that mean something here."""

import re
from pathlib import Path
from typing import Any, Literal

import pytest

from pvt_exp.cli import choose, tables
from pvt_exp.cli.choose import numbers
from pvt_exp.cli.options import Agent, Chosen, words
from pvt_exp.config import ConfigError
from pvt_exp.launchers import Launcher, Slot
from tests.verbs import parameters, verbs


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


OWN = {"--out"}
"""What is another folder, or another file, for each verb."""


def test_an_option_is_the_same_for_every_verb() -> None:
    known: dict[str, set[tuple[object, ...]]] = {}
    for command in verbs().values():
        for each in parameters(command).values():
            if each.param_type_name == "option" and each.opts[0] not in OWN:
                known.setdefault(each.opts[0], set()).add((*each.opts, each.help, str(each.default), each.envvar))
    assert {name for name, found in known.items() if len(found) > 1} == set()


def test_the_command_in_a_table_has_what_decides_the_table_and_nothing_else() -> None:
    sweep = Path("sweeps/a b.yaml")
    assert tables.command(sweep, Chosen()) == "pvt-exp report 'sweeps/a b.yaml'"
    chosen = Chosen(overrides=["optim.lr=1"], store=Path("elsewhere"), seeds="0-2", only=["depth", "none"])
    assert tables.command(sweep, chosen, Path("out"), "fit", best=True) == (
        "pvt-exp report 'sweeps/a b.yaml' optim.lr=1 --store elsewhere --seeds 0-2 --only depth --only none --best "
        "--out out --latex fit"
    )


def test_what_was_typed_is_typed_again() -> None:
    agent = Agent(data=["a=b", "c=d"], gpus="0", workers="2", micro_batch=4, keep="none", retry=["failed"])
    again = [
        *("--data", "a=b", "--data", "c=d", "--gpus", "0", "--workers", "2", "--micro-batch", "4"),
        *("--keep", "none", "--retry", "failed"),
    ]
    command = verbs()["wandb", "run"]
    assert words(agent) == again
    assert words(Agent()) == []
    given = command.make_context("pvt-exp", ["sweep.yaml", "run=1", *again], resilient_parsing=True).params
    assert {name: given[name] for name in ("data", "gpus", "workers", "micro_batch", "keep", "retry")} == {
        "data": ["a=b", "c=d"],
        "gpus": "0",
        "workers": "2",
        "micro_batch": 4,
        "keep": "none",
        "retry": ["failed"],
    }


class Queued(Launcher):
    """A launcher whose places are no CPU slots of this machine."""

    kind: Literal["queued"] = "queued"

    def slots(self) -> list[Slot]:
        return [Slot((), 1)]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"gpus": "0-3"}, "--gpus: the launcher queued has no gpus"),
        ({"gpus": None, "cpu_slots": 7}, "--slots: the launcher queued has no cpu_slots"),
    ],
)
def test_an_option_that_a_launcher_does_not_have_is_an_error(typed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said}$"):
        choose.launcher(Queued(), **typed)
    assert choose.launcher(Queued(), None, threads=3, cpu_slots=None).threads == 3

"""A metric that is called as a word of tables: a task cannot declare it, and one of a result stays apart from the word."""

import csv
import io

import pytest

from pvt_exp import config, report
from pvt_exp.config.metric_names import OF_ROWS, TAKEN, WORDS, word_of
from pvt_exp.config.metrics import Metric
from pvt_exp.config.run import Run
from pvt_exp.report import frame
from pvt_exp.tables import Source, _words, comparison, cost
from pvt_exp.tasks import Task
from tests.unit.test_tables import BASE, built, result, sweep

ODD = [
    "seconds",
    "p",
    "n",
    "params",
    "runs",
    "variant",
    "top1_std",
    "difference_p",
    "epochs",
    "memory",
    "difference(top1)",
]


def odd(*names: str) -> dict:
    made = result(70.0)
    made["metrics"] |= {name: 12.5 + i for i, name in enumerate(names)}
    made["provenance"] |= {"seconds": 100.0}
    return made


def test_every_word_of_tables_is_taken():
    assert {*_words.WORDS, *cost.WORDS} == set(WORDS)
    assert {*WORDS, *OF_ROWS, *frame.TAKEN, *Run.model_fields} <= TAKEN


@pytest.mark.parametrize(
    "name", [*ODD, "low", "interval_low", "p_top1", "difference_top1_high", "optim.lr", "metrics.a"]
)
def test_a_task_cannot_declare_a_metric_with_a_name_of_the_tables(name: str):
    class Odd(Task):
        @property
        def declared(self) -> tuple[Metric, ...]:
            return Metric("top1", "top-1", "%", True), Metric(name, name, "", None)

    with pytest.raises(ValueError, match=r"the property 'declared' of kind .*: metric .* give it another name"):
        config.make(Odd, {})


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("columns", [(), ("top1", "seconds", "n", "difference", "p", "params")])
def test_in_a_result_it_stands_beside_the_word(name: str, columns: tuple[str, ...]):
    plan, outcomes = sweep([(BASE, [odd(name)] * 3), (({"a": "b"},), [odd(name)] * 3)])
    word = f"metrics.{name}"
    made = built(plan, outcomes, columns=columns and (*columns, word))
    (column,) = [column for column in made.columns if column.key == word]
    assert (column.kind, column.title) == ("metric", name if name == "top1_std" else word)
    head, *rows = csv.reader(io.StringIO(report.render(made, "csv")))
    assert len(set(head)) == len(head)
    assert [float(row[head.index(word)]) for row in rows] == [12.5, 12.5]
    if columns:
        assert float(rows[0][head.index("seconds")]) == 100.0
    cells = report.as_json(made)["groups"][0]["rows"][0]["cells"]
    assert (len(cells), cells[word]["value"]) == (len(made.columns), 12.5)


def test_many_of_them_have_names_of_their_own_in_a_comparison_too():
    names = [*ODD, "top1_std_std", "interval_low", "difference_top1", "difference_top1_low", "low"]
    plan, outcomes = sweep([(BASE, [odd(*names)] * 3), (({"a": "b"},), [odd(*names)] * 3)])
    plan.coordinates, plan.axes = lambda variant: {"a": variant.name}, {"a": {}}
    for variant, name in zip(plan.variants, "ab", strict=True):
        variant.name = name
    columns = (*map(word_of, names), "top1", "difference", "difference(low)", "difference(top1_std)", "p(p)", "p")
    for made in (
        built(plan, outcomes, columns=columns),
        comparison.Settings(sweep="s.yaml", columns=columns).build([Source(plan, outcomes)]),
    ):
        heads = next(csv.reader(io.StringIO(report.render(made, "csv"))))
        assert len(set(heads)) == len(heads)
        assert len({column.key for column in made.columns}) == len(columns)
        assert len({column.title for column in made.columns}) == len(columns)


def test_before_training_it_can_be_asked_for():
    plan, outcomes = sweep([(BASE, [None] * 3)])
    assert built(plan, outcomes, metrics=("seconds",)).columns[0].kind == "metric"
    assert built(plan, outcomes, columns=("metrics.seconds", "seconds")).columns[0].kind == "metric"

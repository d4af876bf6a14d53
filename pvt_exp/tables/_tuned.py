"""What was tuned inside each row's variant, over what, with what budget, and what was chosen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvt_exp.config.space import at_edge, edge_in_words, in_words
from pvt_exp.system.words import several
from pvt_exp.tables import Remark
from pvt_exp.tables._rows import Line

if TYPE_CHECKING:
    from pvt_exp.config.space import Values
    from pvt_exp.plan import Plan


def about_tuning(plan: "Plan", lines: Sequence[Line]) -> tuple[list[str], list[tuple[Remark, ...]]]:
    """Sentences on the search, the same for all rows; and of each row the mark of the values that were chosen for it."""
    if not plan.tunings:
        none: list[tuple[Remark, ...]] = [()] * len(lines)
        return [], none
    chosen = {tuning.name: in_words(tuning.chosen) for tuning in plan.tunings if tuning.chosen is not None}
    marks: list[tuple[Remark, ...]] = [(Remark(chosen[line.variant.name]),) for line in lines]
    tune = plan.tunings[0].tune
    space = ", ".join(f"{name} {_over(values)}" for name, values in tune.space.items())
    by = f" by {plan.tunings[0].metric.title}" if tune.metric else ""
    said = [
        f"Tuned for each row: {space}; {several(tune.trials, 'trial')} each ({tune.sampler}"
        f"{f', pruned by {tune.pruner}' if tune.pruner else ''}), with seed {tune.seed}, scored{by} on "
        f"{100 * tune.holdout.fraction:g} % of the training images, held out."
    ]
    for tuning in plan.tunings:
        if told := edge_in_words(values := tuning.chosen or {}, at_edge(tuning.tune.space, values)):
            said.append(f"{tuning.name}: {told}.")
    if waiting := [tuning.name for tuning in plan.tunings if tuning.chosen is None]:
        said.append(f"Not in the table, as their values are not chosen yet: {', '.join(waiting)}.")
    return said, marks


def _over(values: "Values") -> str:
    if values.choices:
        return f"of {', '.join(map(str, values.choices))}"
    step = f" by {values.step:g}" if values.step else ""
    return f"from {values.low:g} to {values.high:g}{step}{' (logarithmic)' if values.log else ''}"

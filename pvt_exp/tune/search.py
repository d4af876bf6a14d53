"""A sweep's search settings as Optuna's objects: distributions, sampler, pruner, and a record of all their settings."""

import importlib.util
import inspect
from typing import Any

from pvt_exp.config import ConfigError
from pvt_exp.config.space import Tune


def distributions(tune: Tune) -> dict[str, Any]:
    """The space, by field."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for name, values in tune.space.items():
        if values.choices:
            found[name] = CategoricalDistribution(values.choices)
        elif values.whole:
            assert isinstance(values.low, int)
            assert isinstance(values.high, int)
            found[name] = IntDistribution(values.low, values.high, log=values.log, step=int(values.step or 1))
        else:
            assert values.low is not None
            assert values.high is not None
            found[name] = FloatDistribution(values.low, values.high, log=values.log, step=values.step)
    return found


def check(tune: Tune) -> None:
    """Raise ConfigError for a sampler whose package is not installed."""
    if tune.sampler == "cmaes" and importlib.util.find_spec("cmaes") is None:
        raise ConfigError("tune.sampler cmaes: its package is not installed: pip install 'pvt-exp[tune]'")


def sampler(tune: Tune, number: int) -> Any:
    """The sampler of one trial, with a seed of its own, so that a restarted driver proposes the same trials."""
    kind, settings = _sampler(tune)
    return kind(seed=(tune.seed + 7919 * number) % 2**32, **settings)


def pruner(tune: Tune, epochs: int) -> Any:
    """The pruner, for trials of so many epochs."""
    kind, settings = _pruner(tune, epochs)
    return kind(**settings)


def told(tune: Tune, epochs: int) -> dict[str, Any]:
    """Optuna's version, and every setting of its sampler and pruner, defaults of that version included."""
    import optuna

    how: dict[str, Any] = {"version": optuna.__version__}
    if tune.sampler != "grid":  # which is a list of ours
        how["sampler"] = _in_full(*_sampler(tune))
    if tune.pruner is not None:
        how["pruner"] = _in_full(*_pruner(tune, epochs))
    return how


def _sampler(tune: Tune) -> tuple[Any, dict[str, Any]]:
    from optuna import samplers

    if tune.sampler == "random":
        return samplers.RandomSampler, {}
    if tune.sampler == "cmaes":
        return samplers.CmaEsSampler, {}
    startup = max(2, min(10, tune.trials // 3))
    return samplers.TPESampler, {"n_startup_trials": startup, "multivariate": True, "constant_liar": True}


def _pruner(tune: Tune, epochs: int) -> tuple[Any, dict[str, Any]]:
    from optuna import pruners

    if tune.pruner == "median":
        return pruners.MedianPruner, {"n_startup_trials": 3}
    if tune.pruner == "hyperband":
        return pruners.HyperbandPruner, {"max_resource": epochs}
    return pruners.NopPruner, {}


def _in_full(kind: Any, settings: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty and p.name != "seed"}
    return {"class": kind.__name__, **defaults, **settings}

"""Databases of Optuna's, and the studies in them that are ours."""

import re
from typing import Any, Literal

from pvt_exp.config import ConfigError

MARK = "pvt_exp"
"""The attribute by which a study is known as made here, so that nobody else's is written over."""


def open_storage(url: str) -> Any:
    """A database of studies.

    Raises:
        ConfigError: if it cannot be reached, or its driver is not installed.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return optuna.storages.get_storage(url)
    except (ImportError, SQLAlchemyError, ValueError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        shown = re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url)
        raise ConfigError(f"the storage {shown} cannot be used: {why.replace(url, shown)}") from None


def new_study(storage: Any, name: str, mark: str, larger_is_better: bool, **options: Any) -> Any:
    """A study without trials in the place of one that was made here before; ``mark`` says what it is of.

    Raises:
        ConfigError: if the name is taken by a study that is not of this mark.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        old = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        pass
    else:
        if old.user_attrs.get(MARK) != mark:
            raise ConfigError(f"the storage has a study '{name}' that is not of this sweep; name another storage")
        optuna.delete_study(study_name=name, storage=storage)
    direction: Literal["maximize", "minimize"] = "maximize" if larger_is_better else "minimize"
    made = optuna.create_study(study_name=name, storage=storage, direction=direction, **options)
    made.set_user_attr(MARK, mark)
    return made

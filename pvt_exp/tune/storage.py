"""Optuna's databases, and our studies in them."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pvt_exp.config import ConfigError

Made = TypeVar("Made")

MARK = "pvt_exp"
"""The attribute that marks a study as ours, so that no other is overwritten."""


def open_storage(url: str) -> Any:
    """A database of studies.

    Raises:
        ConfigError: if it cannot be reached, or its driver is not installed.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return optuna.storages.get_storage(url)
    except (ImportError, SQLAlchemyError, ValueError, optuna.exceptions.OptunaError) as error:
        raise ConfigError(
            f"the storage {shown(url)} cannot be used: {reason(error).replace(url, shown(url))}"
        ) from None


def shown(url: str) -> str:
    """The URL of a database without its password."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url)


def reason(error: BaseException) -> str:
    """The database's error message in one line, out of Optuna's wrapper."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def new_study(storage: Any, name: str, mark: str, larger_is_better: bool, **options: Any) -> Any:
    """A study without trials in the place of one that was made here before; ``mark`` says what it is of.

    Raises:
        ConfigError: if the name is taken by a study that is not of this mark.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
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


class Database:
    """Where Optuna's studies of a sweep are kept: a database, or memory once the database fails.

    It is a copy of the trials' files, so a sweep goes on without it.
    """

    def __init__(self, url: str, own: Path | None = None) -> None:
        """``own``: the file of the database, where it is the run store's and may be made anew."""
        self.url, self._own = url, own
        self.lost = False
        """Whether it has failed."""
        self._storage: Any = None

    @property
    def storage(self) -> Any:
        """Optuna's storage; another one after the database has failed.

        Raises:
            ConfigError: for a database that a person has named and that cannot be used at first.
        """
        if self._storage is None:
            try:
                self._storage = open_storage(self.url)
            except ConfigError as error:
                if self._own is None:
                    raise
                self._open_own(error)
        return self._storage

    def _open_own(self, error: ConfigError) -> None:
        if "locked" not in str(error):  # else somebody uses it
            self._remove_own()
            try:
                self._storage = open_storage(self.url)
            except ConfigError as other:
                error = other
            else:
                self._say(f"{error}; it is only a copy, and is made anew")
                return
        self._lose(error)

    def tried(self, do: Callable[[], Made]) -> Made:
        """Do something with the storage; in memory once the database fails at it.

        Raises:
            ConfigError: as ``do`` does.
        """
        try:
            return do()
        except ConfigError:
            raise
        except Exception as error:  # a database that is locked, gone or none any more raises many kinds
            if self.lost:
                raise
            self._lose(error)
        return do()

    def _lose(self, error: BaseException) -> None:
        import optuna

        self.lost, self._storage = True, optuna.storages.InMemoryStorage()
        anew = ", and it is made anew at the end" if self._own is not None else ""
        why = reason(error).replace(self.url, shown(self.url))
        self._say(f"fails ({why}); the search goes on in memory{anew}")

    def renew(self) -> None:
        """Where it is the store's own and has failed, make it anew from what is in memory."""
        if not self.lost or self._own is None:
            return
        import optuna

        self._remove_own()
        try:
            made = open_storage(self.url)
            for name in optuna.get_all_study_names(self._storage):
                optuna.copy_study(from_study_name=name, from_storage=self._storage, to_storage=made)
        except Exception as error:  # as in `tried`
            self._say(f"cannot be made anew ({reason(error)}); the next call tries again")
        else:
            self.lost, self._storage = False, made
            self._say("is made anew")

    def _remove_own(self) -> None:
        assert self._own is not None
        for suffix in ("", "-journal", "-wal", "-shm"):  # what belongs to the old file must not be read with a new one
            try:
                self._own.with_name(self._own.name + suffix).unlink(missing_ok=True)
            except OSError:
                return  # a folder that may not be written to, which is told by who opens it

    def _say(self, what: str) -> None:
        print(f"Optuna's database {shown(self.url)}: {what}", file=sys.stderr, flush=True)

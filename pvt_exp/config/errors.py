"""The two errors of a person: in what was written, and in the data at hand."""

from collections.abc import Iterable

from pvt_exp.system import files


class ConfigError(ValueError):
    """What a person wrote cannot be used. One line for each thing that is wrong: where, which field, why."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        told = [problems] if isinstance(problems, str) else problems
        self.problems = ["".join(c if c.isprintable() else repr(c)[1:-1] for c in problem) for problem in told]
        super().__init__("\n".join(self.problems))


class DataError(ValueError):
    """The data at hand cannot serve the run. The message, one line, says what, where, and what to do."""

    def __str__(self) -> str:
        return files.shown(super().__str__())

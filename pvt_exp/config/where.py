"""The language of ``where:``, a Python expression over a run's settings that can compute but not act.

``backbone.depths[2] <= 6 and params < 1.1 * base.params``: names are fields of the run (``base.`` of the base run), and
``params``, ``macs`` and ``memory`` (bytes of a training step), which are counted; comparisons, ``and or not in``,
arithmetic, lists and indices work; calls and anything else do not.
"""

import ast
import operator
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel

from pvt_exp.config import ConfigError
from pvt_exp.system import spelling

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
COSTS = ("params", "macs", "memory")
_ALLOWED = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.List, ast.Tuple,
    ast.UnaryOp, ast.BoolOp, ast.BinOp, ast.Compare,
)  # fmt: skip
_SEED = re.compile(r"(base\.)?(pretrain\.run\.)*seed|(base\.)?pretrain\.seed")
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}


def costs_in(text: str) -> list[str]:
    """Which of `COSTS` an expression needs to know."""
    return [name for name in COSTS if re.search(rf"(?<![\w.])(base\.)?{name}\b", text)]


class Filter:
    """Says of a run whether it stays.

    Args:
        text: The expression.
        cost_of: What a run costs, with the attributes `COSTS`.

    Raises:
        ConfigError: if the text is not such an expression, wherever in it that shows.
    """

    def __init__(self, text: str, cost_of: Callable[[BaseModel], Any]) -> None:
        self._cost_of = cost_of
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(f"not an expression: {getattr(error, 'msg', error)}") from None
        self._nodes = [node for node in ast.walk(self._tree) if isinstance(node, ast.expr)]
        for node in self._nodes:
            if not isinstance(node, _ALLOWED):
                raise _not_allowed(node)
            if isinstance(node, ast.Compare):
                _check_is(node)
            if isinstance(node, ast.Name | ast.Attribute) and _SEED.fullmatch(ast.unparse(node)):
                raise ConfigError(
                    f"'{ast.unparse(node)}': each variant is trained with all seeds; to choose these, write seeds or --seeds"
                )

    def check(self, runs: Sequence[BaseModel], base: BaseModel) -> None:
        """Raise ConfigError for a name that none of the runs has, though what stands before it may decide without it."""
        for node in self._nodes:
            if isinstance(node, ast.Name | ast.Attribute):
                problem = None
                for run in runs:
                    if (problem := self._problem(node, run, base)) is None:
                        break
                if problem is not None:
                    raise problem

    def __call__(self, run: BaseModel, base: BaseModel) -> bool:
        """Whether it holds for a run. Raises ConfigError for fields that this run has not got."""
        try:
            return bool(self._value(self._tree, run, base))
        except (TypeError, IndexError, KeyError, ZeroDivisionError, OverflowError, RecursionError) as error:
            raise ConfigError(f"cannot be computed: {error}") from None

    def _problem(self, node: ast.expr, run: BaseModel, base: BaseModel) -> ConfigError | None:
        try:
            self._value(node, run, base)
        except ConfigError as error:
            return error
        except (TypeError, IndexError, KeyError, ZeroDivisionError, OverflowError, RecursionError):
            return None  # of the value and not of the name; it is told where it is computed
        return None

    def _value(self, node: ast.expr, run: BaseModel, base: BaseModel) -> Any:  # noqa: C901  # a case a form of expression
        value = partial(self._value, run=run, base=base)
        match node:
            case ast.Constant(value=constant) if isinstance(constant, int | float | str | None):
                return constant
            case ast.Name(id=name) if name in COSTS:
                return getattr(self._cost_of(run), name)
            case ast.Attribute(value=ast.Name(id="base"), attr=name) if name in COSTS:
                return getattr(self._cost_of(base), name)
            case ast.Name(id=name):
                if name in _CONSTANTS:
                    return _CONSTANTS[name]
                return base if name == "base" else _field(run, name, node)
            case ast.Attribute(value=owner, attr=name):
                return _field(value(owner), name, node)
            case ast.Subscript(value=owner, slice=index):
                return value(owner)[value(index)]
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return tuple(map(value, items))
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return not value(inner)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -value(inner)
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(map(value, parts))
            case ast.BoolOp(values=parts):
                return any(map(value, parts))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                sides = value(left), value(right)
                if not all(isinstance(side, int | float) for side in sides):
                    raise ConfigError(f"'{ast.unparse(node)}': arithmetic is for numbers")
                return _BINARY[type(op)](*sides)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                values = [value(part) for part in (left, *rights)]
                return all(_BINARY[type(op)](a, b) for op, a, b in zip(ops, values, values[1:], strict=False))
        raise _not_allowed(node)


def _check_is(node: ast.Compare) -> None:
    """Raise ConfigError for an ``is`` of values: it would ask whether two equal numbers are one object."""
    sides = [node.left, *node.comparators]
    for op, *pair in zip(node.ops, sides, sides[1:], strict=False):
        if isinstance(op, ast.Is | ast.IsNot) and not any(map(_is_single, pair)):
            instead = "==" if isinstance(op, ast.Is) else "!="
            raise ConfigError(f"'{ast.unparse(node)}': 'is' goes with None, True and False only; write {instead}")


def _is_single(node: ast.expr) -> bool:
    """Whether it is a value that there is one of."""
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, bool)
    return isinstance(node, ast.Name) and node.id in _CONSTANTS


def _not_allowed(node: ast.expr) -> ConfigError:
    return ConfigError(f"'{ast.unparse(node)}' is not allowed here; compare fields of the run")


def _field(owner: Any, name: str, node: ast.expr) -> Any:
    fields = type(owner).model_fields if isinstance(owner, BaseModel) else {}
    if name not in fields:
        kind = getattr(owner, "kind", None)
        of = f" of kind {kind}" if kind else ""
        raise ConfigError(f"'{ast.unparse(node)}': no such field{of}{spelling.hint(name, fields)}")
    return getattr(owner, name)

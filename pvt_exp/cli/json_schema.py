"""The JSON Schemas with which editors complete and check the YAML files, the string under each field as its hover text.

Pydantic can take those strings up by itself, but reads the source of every model to do so whenever a command starts,
which is a third of the time that a command takes.
"""

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from pvt_exp.cli.json_changes import Changes
from pvt_exp.config import DOTTED
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Sweep
from pvt_exp.report.page import Report
from pvt_exp.system import files


def texts() -> dict[str, str]:
    """File name to text of each schema."""
    run, report = (model.model_json_schema(schema_generator=WithHover) for model in (Run, Report))
    return {"run.json": files.dump(run), "sweep.json": files.dump(_sweep()), "report.json": files.dump(report)}


def _sweep() -> JsonSchemaValue:
    """With every field of a run by its dotted name where a sweep changes, tunes or scales one."""
    _, made = models_json_schema([(Sweep, "validation"), (Run, "validation")], schema_generator=WithHover)
    defs: dict[str, Any] = made["$defs"]
    changes = Changes(defs, "Run", without=("seed",))
    fields = {"changes": {"$ref": "#/$defs/Changes"}, "numbers": changes.one_of_numbers()}
    fields["space"] = changes.keyed({"$ref": "#/$defs/Values"})

    def filled(node: Any) -> Any:
        if isinstance(node, list):
            return list(map(filled, node))
        if not isinstance(node, dict):
            return node
        kept = {key: filled(value) for key, value in node.items() if key != DOTTED}
        return {**kept, **fields[node[DOTTED]]} if DOTTED in node else kept

    defs = {name: filled(each) for name, each in defs.items()}
    return {**defs.pop("Sweep"), "$defs": {**defs, "Changes": changes.schema()}}


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Field name to the string under it, of the model and of those that it inherits from."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner.__module__ != BaseModel.__module__:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
            assert isinstance(tree, ast.ClassDef)
            for field, below in pairwise(tree.body):
                match field, below:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                        found[name] = inspect.cleandoc(text)
    return found


class WithHover(GenerateJsonSchema):
    """Pydantic's generator, with the fields' strings as their descriptions, without titles, and with every ``kind``."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        made = super().tagged_union_schema(schema)
        made.pop("discriminator", None)  # OpenAPI's
        return {**made, "required": ["kind"]}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made: dict[str, Any] = super().model_schema(schema)
        for name, text in field_docs(schema["cls"]).items():
            if name in made.get("properties", {}):
                made["properties"][name].setdefault("description", text)
        return made

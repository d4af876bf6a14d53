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
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from pvt_exp import files
from pvt_exp.page import Report
from pvt_exp.schema import Run, Sweep


def texts() -> dict[str, str]:
    """File name to text of each schema."""
    models: dict[str, type[BaseModel]] = {"run.json": Run, "sweep.json": Sweep, "report.json": Report}
    return {name: files.dump(model.model_json_schema(schema_generator=WithHover)) for name, model in models.items()}


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
    """Pydantic's generator, with the fields' strings as their descriptions."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made: dict[str, Any] = super().model_schema(schema)
        for name, text in field_docs(schema["cls"]).items():
            if name in made.get("properties", {}):
                made["properties"][name].setdefault("description", text)
        return made

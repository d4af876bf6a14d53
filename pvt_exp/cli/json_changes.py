"""The JSON Schema of a choice's changes: every dotted field of a run with the type that it has there.

A dotted field points at the place in the run's own schema where its type stands (in several places where several kinds have
it), so each type is written once. A mapping may name a ``kind`` and is then whole, or else holds a part of the fields.
"""

import json
import math
import re
from typing import Any

Schema = dict[str, Any]


class Changes:
    """All dotted fields of a model, ``root`` among the definitions ``defs``, less those named in ``without``."""

    def __init__(self, defs: dict[str, Schema], root: str, without: tuple[str, ...] = ()) -> None:
        self._defs = defs
        self.fields: dict[str, Schema] = {}
        """Dotted field to schema."""
        self.patterns: dict[str, Schema] = {}
        """Pattern of dotted fields that are entries of lists or of free mappings, to schema."""
        self.leaves: list[str] = []
        """The fields that hold no fields themselves."""
        self.numbers: list[str] = []
        """Those of whole numbers, or of lists of them."""
        for name in defs[root]["properties"]:
            if name not in without:
                self._add(name, [f"#/$defs/{root}/properties/{name}"])

    def schema(self) -> Schema:
        """Of a mapping of dotted fields to new values."""
        return {
            "type": "object",
            "properties": self.fields,
            "patternProperties": self.patterns,
            "additionalProperties": False,
        }

    def keyed(self, value: Schema) -> Schema:
        """Of a mapping of dotted fields that hold no fields to ``value``."""
        return {
            "type": "object",
            "properties": dict.fromkeys(self.leaves, value),
            "patternProperties": dict.fromkeys(self.patterns, value),
            "additionalProperties": False,
            "minProperties": 1,
        }

    def one_of_numbers(self) -> Schema:
        """Of the name of a field of whole numbers."""
        return {"type": "string", "anyOf": [{"enum": self.numbers}, *({"pattern": each} for each in self.patterns)]}

    def _add(self, path: str, places: list[str]) -> None:
        """A field, by the places where its schemas stand."""
        shapes = [shape for place in places for shape in self._shapes(place)]
        models = [(place, shape) for place, shape in shapes if "properties" in shape]
        plain = [(place, shape) for place, shape in shapes if "properties" not in shape]
        self.fields[path] = {}  # before those in it
        for place, shape in plain:
            self._add_entries(path, place, shape)
        if not models:
            self.leaves.append(path)
            if any("integer" in _types(shape) or "integer" in _types(shape.get("items", {})) for _, shape in plain):
                self.numbers.append(path)
            self.fields[path] = _any_of([{"$ref": place} for place in places])
            return
        inner: dict[str, list[str]] = {}
        for place, shape in models:
            for name in shape["properties"]:
                inner.setdefault(name, []).append(f"{place}/properties/{name}")
        for name, found in inner.items():
            self._add(f"{path}.{name}", self._unlike(found))
        names = [name for name in inner if name != "kind"]
        part = {name: {"$ref": f"#/$defs/Changes/properties/{path}.{name}"} for name in names}
        whole = [{"$ref": place} for place in places] if "kind" in inner else [{"$ref": place} for place, _ in plain]
        self.fields[path] = _any_of([*whole, {"type": "object", "properties": part, "additionalProperties": False}])

    def _add_entries(self, path: str, place: str, shape: Schema) -> None:
        escaped = re.escape(path)
        if "array" in _types(shape):
            entry = f"{place}/items" if isinstance(shape.get("items"), dict) else f"{place}/prefixItems/0"
            most = shape.get("maxItems", math.inf)  # of a list whose length the schema says, as of three channels
            index = f"[0-{most - 1}]" if most <= 10 else r"\d+"
            self.patterns[rf"^{escaped}\.{index}$"] = {"$ref": entry}
        elif isinstance(shape.get("additionalProperties"), dict):
            self.patterns[rf"^{escaped}\.[^.]+$"] = {"$ref": f"{place}/additionalProperties"}
            self.patterns[rf"^{escaped}\.[^.]+\.\d+$"] = {}
        elif not shape.keys() & {"type", "enum", "const"} or ("object" in _types(shape)):
            self.patterns[rf"^{escaped}\..+$"] = {}

    def _shapes(self, place: str) -> list[tuple[str, Schema]]:
        """The alternatives at a place, and where each stands."""
        shape = self._at(place)
        if "$ref" in shape:
            return self._shapes(shape["$ref"])
        for key in ("anyOf", "oneOf"):
            if key in shape and "properties" not in shape:
                return [found for i in range(len(shape[key])) for found in self._shapes(f"{place}/{key}/{i}")]
        return [(place, shape)]

    def _at(self, place: str) -> Schema:
        value: Any = {"$defs": self._defs}
        for key in place.split("/")[1:]:
            value = value[int(key) if isinstance(value, list) else key]
        return value  # type: ignore[no-any-return]

    def _unlike(self, places: list[str]) -> list[str]:
        """Those with different schemas, descriptions aside."""
        found: dict[str, str] = {}
        for place in places:
            shape = {key: value for key, value in self._at(place).items() if key not in ("description", "default")}
            found.setdefault(json.dumps(shape, sort_keys=True), place)
        return list(found.values())


def _types(shape: Schema) -> list[str]:
    found = shape.get("type", [])
    return [found] if isinstance(found, str) else found


def _any_of(schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

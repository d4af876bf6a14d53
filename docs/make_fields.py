"""Writes docs/fields.md: every field of the YAML files, from the schemas in docs/schema.

python docs/make_fields.py
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILES = {"run": "Experiments", "sweep": "Sweeps", "report": "Reports"}
"""The schemas, and what each file is called."""
SHORT = 60
"""Most letters of a default that is shown."""
ABOUT = """\
# Every field

Of experiments, sweeps and reports, made from the schemas with which editors complete the files (`docs/schema/`).
`pvt-exp schema` writes the schemas with the fields of installed plug-ins too.
"""


class Pages:
    """The sections of the page; one for each model, at the first field that takes it."""

    def __init__(self, schema: dict[str, Any], known: dict[str, str]) -> None:
        self.defs: dict[str, Any] = schema.get("$defs", {})
        self.known = known
        """The heading of each model that has a section, by the model's name in the schemas."""

    def section(self, title: str, model: dict[str, Any], path: str, level: int) -> Iterator[str]:
        """A table of the model's fields, then the sections of the models that they take."""
        below: list[tuple[str, str, str]] = []
        rows = [self.row(name, field, f"{path}{name}", below) for name, field in model.get("properties", {}).items()]
        yield f"{'#' * level} {title}\n"
        if about := model.get("description"):
            yield f"{plain(about)}\n"
        if len(rows) > ("kind" in model.get("properties", {})):
            needed = model.get("required", [])
            yield "| field | value | default | |\n|---|---|---|---|"
            for name, value, default, meaning in rows:
                if name != "kind":
                    yield f"| `{name}` | {value} | {'(needed)' if name in needed else default} | {meaning} |"
            yield ""
        for name, heading, place in below:
            yield from self.section(heading, self.defs[name], f"{place}.", level + 1 if level < 4 else level)

    def row(self, name: str, field: dict[str, Any], path: str, below: list[tuple[str, str, str]]) -> tuple[str, ...]:
        """Name, value, default and meaning; models that are met for the first time are added to ``below``."""
        default = json.dumps(field["default"], ensure_ascii=False) if "default" in field else ""
        shown = f"`{default}`" if 0 < len(default) <= SHORT else "its own defaults" if default else ""
        return name, self.value(field, path, below).replace("|", r"\|"), shown, plain(field.get("description", ""))

    def value(self, field: dict[str, Any], path: str, below: list[tuple[str, str, str]]) -> str:
        """What may be written, in words."""
        if "$ref" in field:
            return self.model(field["$ref"].rpartition("/")[2], path, below)
        if choices := field.get("anyOf") or field.get("oneOf"):
            return " or ".join(dict.fromkeys(self.value(each, path, below) for each in choices))
        if "enum" in field or "const" in field:
            return ", ".join(f"`{json.dumps(each)}`" for each in field.get("enum", [field.get("const")]))
        kind = field.get("type", "anything")
        if isinstance(kind, list):
            return " or ".join(self.value({**field, "type": each}, path, below) for each in kind)
        if kind == "array":
            if "prefixItems" in field:
                return f"list of {len(field['prefixItems'])}: {self.value(field['prefixItems'][0], path, below)} each"
            return f"list of {self.value(field['items'], path, below) if field.get('items') else 'anything'}"
        if kind == "object":
            inside = field.get("additionalProperties")
            return f"mapping of names to {self.value(inside, path, below)}" if isinstance(inside, dict) else "mapping"
        words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
        return f"{words.get(kind, kind)}{bounds(field) if kind in ('integer', 'number') else ''}"

    def model(self, name: str, path: str, below: list[tuple[str, str, str]]) -> str:
        """A link to the model's section."""
        if name == "Changes":
            return "changes: dotted fields of the run with new values"
        if name not in self.known:
            kind = self.defs[name].get("properties", {}).get("kind", {}).get("const")
            self.known[name] = f"`{path}: {{kind: {kind}}}`" if kind else f"`{path}`"
            below.append((name, self.known[name], path))
        heading = self.known[name]
        return f"[{heading}](#{anchor(heading)})"


def bounds(field: dict[str, Any]) -> str:
    """`` from 1 to 10``."""
    words = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("exclusiveMaximum", "below"))
    return "".join(f" {word} {field[key]:,}" for key, word in words if key in field)


def anchor(heading: str) -> str:
    """What a link to a heading is called, on GitHub and in the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def plain(text: str) -> str:
    """A docstring in one line of Markdown."""
    return " ".join(text.replace("``", "`").split()).replace("|", r"\|")


def page() -> str:
    """The whole page."""
    lines, known = [ABOUT], dict[str, str]()
    for name, title in FILES.items():
        schema = json.loads((HERE / f"schema/{name}.json").read_text(encoding="utf-8"))
        lines += Pages(schema, known).section(title, schema, "", 2)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    (HERE / "fields.md").write_text(page(), encoding="utf-8")

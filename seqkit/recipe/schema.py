"""The JSON schema of recipes with the installed components, for editors."""

from __future__ import annotations

from typing import Any

from seqkit.plugin import Config
from seqkit.recipe.kinds import components_of, tables_of
from seqkit.registry import Registry


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """A JSON schema (2020-12) in which `use` selects the table of one of the installed components."""
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {"description": {"type": "string"}}
    for kind in components_of(registry):
        choices = []
        for declared, entry in registry.entries():
            if declared == kind:
                schema = _hoisted(entry.declaration.config, definitions)
                name = entry.declaration.name
                qualified = f"{entry.origin.distribution}:{name}"
                schema["properties"] = {"use": {"enum": [name, qualified]}, **schema.get("properties", {})}
                schema["required"] = ["use", *schema.get("required", [])]
                choices.append(schema)
        properties[kind] = {"oneOf": choices}
    for table, config in tables_of(registry).items():
        properties[table] = _hoisted(config, definitions)
    for kind in ("encoder", "head"):
        names = registry.names(kind)
        by_table = {"type": "object", "properties": {"use": {"enum": names}}, "required": ["use"]}
        part = properties["model"]["properties"][kind]
        properties["model"]["properties"][kind] = {
            **{key: part[key] for key in ("default", "description", "title") if key in part},
            "anyOf": [{"enum": names}, by_table],
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A seqkit recipe",
        "type": "object",
        "properties": properties,
        "required": ["source", "cell"],
        "additionalProperties": False,
        **({"$defs": definitions} if definitions else {}),
    }


def _hoisted(config: type[Config], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a config, with its inner definitions moved to the top, where `#/$defs/...` refers to."""
    schema = config.model_json_schema()
    definitions.update(schema.pop("$defs", {}))
    return schema

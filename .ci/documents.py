"""Checks that the documents keep up with the code: keys, links and dependencies."""

import json
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
problems: list[str] = []


def keys(schema: object) -> set[str]:
    """All keys that a user may write, of a JSON Schema."""
    found: set[str] = set()
    if isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            found |= {name} | keys(value)
        for name, value in schema.items():
            if name != "properties":
                found |= keys(value)
    elif isinstance(schema, list):
        for value in schema:
            found |= keys(value)
    return found


def schema(name: str) -> dict:
    return json.loads((root / "docs" / "schema" / name).read_text())


def described(name: str, part: object, document: str) -> None:
    """Each key of a schema, or of a part of it, has its place in the document, or on the page of its service."""
    pages = [root / "docs" / document, *(root / "docs" / "notifiers").glob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    for key in sorted(keys(part)):
        if not re.search(rf"(?<![A-Za-z_]){re.escape(key)}(?![A-Za-z_])", text):
            problems.append(f"docs/{document}: {key} of {name} is not described")


def links() -> None:
    for document in [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md")), *sorted((root / "examples").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                problems.append(f"{document.relative_to(root)}: {target} does not exist")


def dependencies() -> None:
    """Each direct dependency of go.mod has its line."""
    text = (root / "docs" / "adr" / "0006-dependencies.md").read_text()
    for line in (root / "go.mod").read_text().splitlines():
        module = re.match(r"\t(\S+) v\S+$", line)
        if module and f"`{module[1]}`" not in text:
            problems.append(f"docs/adr/0006-dependencies.md: {module[1]} is missing")


config = schema("config.schema.json")
described("subscriptions", config["properties"].pop("subscriptions"), "rules.md")
described("config.schema.json", config, "config.md")
for task in ["task.schema.json", "send.schema.json"]:
    described(task, schema(task), "rules.md")
links()
dependencies()
for problem in problems:
    print(problem)
print(f"documents: {len(problems)} problems")
sys.exit(bool(problems))

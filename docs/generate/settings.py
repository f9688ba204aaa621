"""The page about settings."""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from pydantic import SecretStr

from docs.generate.markdown import table
from southbound.settings.settings import DEFAULTS, Section, sections
from southbound.settings.sources import variable_name

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

INTRODUCTION = """# Settings

Nothing has to be set: the defaults run everything on one machine. What you set stands in one YAML file, in environment
variables, or in both; a variable wins over the file.

- The file is the one given with `--config`, else the one that `SOUTHBOUND_CONFIG` names, else `southbound.yaml` in the
  folder where the command is started. A relative path in it is meant from the file's own folder.
- A variable is `SOUTHBOUND_`, the group, two underscores and the name, in capitals. An empty one counts as not set.
  `kafka.client` is a JSON object there; its entries are laid over those of the file, one by one.
- A name that nobody knows is refused, in the file and in the environment. Left alone are `SOUTHBOUND_TEST_…` (the test
  suite), `SOUTHBOUND_SECRET_…` (for the secrets that your spoke profiles refer to with `env:`), and what Kubernetes
  sets for services whose names begin with `southbound`.
- Every mistake is told at once, each with its line or variable; a secret is never printed.
  `southbound config check` looks at tables and profiles too, `southbound config show` tells what is in force and why.

```yaml
kafka:
  bootstrap: kafka-1:9092,kafka-2:9092
  client: {security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-512, sasl.username: southbound}
store:
  url: postgresql://southbound@postgres/southbound
routing:
  spokes: spokes/
```

The password of Kafka then comes from `SOUTHBOUND_KAFKA__PASSWORD`. Settings of librdkafka that this file does not list,
TLS among them, go under `kafka.client` by librdkafka's own names.
"""


def page() -> str:
    """Write it."""
    return INTRODUCTION + "".join(_group(name, section) for name, section in sections().items())


def _group(name: str, section: type[Section]) -> str:
    rows = [
        (f"`{setting}`", f"`{variable_name(name, setting)}`", _kind(field), _default(field), field.description or "")
        for setting, field in section.model_fields.items()
    ]
    heads = ("setting", "variable", "kind", "default", "meaning")
    return f"\n## {name}\n\n{section.__doc__}\n\n{table(heads, rows)}"


def _kind(field: FieldInfo) -> str:
    annotation = field.annotation
    if get_origin(annotation) is types.UnionType:
        annotation = next(one for one in get_args(annotation) if one is not type(None))
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(annotation))
    if get_origin(annotation) is dict:
        return "names and values"
    words = {int: "whole number", float: "number", Path: "path", SecretStr: "secret text"}
    return words.get(annotation, "text") if isinstance(annotation, type) else "text"


def _default(field: FieldInfo) -> str:
    match field.get_default(call_default_factory=True):
        case None | {} | "":
            return "none"
        case Path() as path:
            # Where the package lies differs from machine to machine.
            return f"shipped: `{path.relative_to(DEFAULTS).as_posix()}`"
        case SecretStr() as secret:
            return f"`{secret.get_secret_value()}`"
        case value:
            return f"`{value}`"

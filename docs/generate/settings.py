"""The page about settings."""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from pydantic import SecretStr

from docs.generate.markdown import table
from southbound.settings.kafka_client_names import ALLOWED_CLIENT_SETTINGS
from southbound.settings.settings import DEFAULTS, sections
from southbound.settings.sources import variable_name

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from southbound.settings.section import Section

INTRODUCTION = """# Settings

No setting is required: with the defaults everything runs on one machine. Settings are read from one YAML file, from
environment variables, or from both; a variable overrides the file.

- The file is the one given with `--config`, else the one that `SOUTHBOUND_CONFIG` names, else `southbound.yaml` in the
  working directory. Relative paths in the file are relative to the folder of the file.
- The name of a variable is `SOUTHBOUND_`, the group, two underscores and the setting, in capitals. An empty variable
  counts as not set. A list is separated by commas in its variable, such as `10.20.0.0/16,10.30.0.0/16`, and replaces
  that of the file. `kafka.client` is a JSON object in its variable; its entries override those of the file one by one.
- Unknown names are refused, in the file and in the environment. Exceptions are `SOUTHBOUND_TEST_…` (the test suite),
  `SOUTHBOUND_SECRET_…` (secrets to which spoke profiles and the file of API keys refer with `env:`), and the
  variables that Kubernetes sets for services whose names begin with `southbound`.
- All mistakes are reported at once, each with its line or variable; a secret is never printed.
  `southbound config check` also checks tables and profiles. `southbound config show` prints settings and sources.

```yaml
kafka:
  bootstrap: kafka-1:9092,kafka-2:9092
  client: {security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-512, sasl.username: southbound}
store:
  url: postgresql://southbound@postgres/southbound
routing:
  spokes: spokes/
```

The password of Kafka is then set with `SOUTHBOUND_KAFKA__PASSWORD`. Set other options of librdkafka, such as those of
TLS, under `kafka.client`, with the names that librdkafka uses.
"""


_CLIENT_SETTINGS = """
## Settings of librdkafka

`kafka.client` takes these names. Others are refused, because they could load code (`plugin.library.paths`), start a
program (`sasl.kerberos.kinit.cmd`) or write files (`offset.store.path`), or because Southbound sets them. Commands on
files, such as `southbound tables check` and the pre-commit hook, do not read the settings of Kafka at all.

"""


def page() -> str:
    """Return the text of the page."""
    groups = "".join(_group(name, section) for name, section in sections().items())
    return (
        INTRODUCTION
        + groups
        + _CLIENT_SETTINGS
        + ", ".join(f"`{name}`" for name in sorted(ALLOWED_CLIENT_SETTINGS))
        + ".\n"
    )


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
    if get_origin(annotation) is tuple:
        return "list of texts"
    words = {bool: "true or false", int: "whole number", float: "number", Path: "path", SecretStr: "secret text"}
    return words.get(annotation, "text") if isinstance(annotation, type) else "text"


def _default(field: FieldInfo) -> str:
    match field.get_default(call_default_factory=True):
        case None | {} | "" | ():
            return "none"
        case tuple() as texts:
            return f"`{', '.join(texts)}`"
        case Path() as path:
            # The folder of the package differs from machine to machine.
            return f"shipped: `{path.relative_to(DEFAULTS).as_posix()}`"
        case SecretStr() as secret:
            return f"`{secret.get_secret_value()}`"
        case value:
            return f"`{value}`"

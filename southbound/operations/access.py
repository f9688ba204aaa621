"""Run `southbound access key`."""

from __future__ import annotations

import orjson

from consumers.northbound.access.api_keys import digest_of, generate_key
from southbound.exit_codes import ExitCode
from southbound.operations.console import print_json, print_text


def make_key(*, as_json: bool) -> int:
    """Run `southbound access key`."""
    key = generate_key()
    listed = f"sha256:{digest_of(key).hex()}"
    if as_json:
        print_json(orjson.dumps({"key": key, "listed": listed}).decode())
    else:
        print_text(f"key for the client, shown only once: {key}")
        print_text(f"entry below `keys` in the file: {listed}")
    return ExitCode.SUCCESS

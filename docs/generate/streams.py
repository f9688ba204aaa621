"""The page about the profiles of streams: their fields."""

from __future__ import annotations

from consumers.northbound.streams.profile import StreamDestination, StreamSource
from docs.generate.markdown import table
from docs.generate.profiles import field_rows

INTRODUCTION = """# Profiles of streams

A stream is a topic of another system, on a cluster of its own or on Southbound's. A *source* is a topic that runs are
ordered on: the role `ingress` takes its records. A *destination* has topics to which the role `egress` copies results
and updates. Each profile is one YAML file in the folder `streams.sources` or `streams.destinations`. An unknown field
is a mistake, and `southbound config check` reports every mistake in all of them, with its line. How to set them up for
ServiceNow: [Stream Connect](how-to/stream-connect.md).

Southbound's own topics stay on the cluster of `kafka.bootstrap`. `client` has the same names as `kafka.client`
([settings](settings.md)); what is secret is named in `secrets`, with where its value is.
"""
SOURCES = """
## Sources

```yaml
name: service-desk
bootstrap:
  - acme.service-now.com:4100,acme.service-now.com:4101,acme.service-now.com:4102,acme.service-now.com:4103
  - acme.service-now.com:4200,acme.service-now.com:4201,acme.service-now.com:4202,acme.service-now.com:4203
topic: snc.acme.default.sn_streamconnect.test_runs
format: tmf653
client:
  security.protocol: SSL
  ssl.ca.location: /etc/southbound/servicenow-ca.pem
  ssl.keystore.location: /etc/southbound/keystore.p12
secrets:
  ssl.keystore.password: env:SOUTHBOUND_SECRET_KEYSTORE
```

"""
DESTINATIONS = """
## Destinations

```yaml
name: service-desk
bootstrap: acme.service-now.com:4000,acme.service-now.com:4001,acme.service-now.com:4002,acme.service-now.com:4003
results: snc.acme.default.sn_streamconnect.test_results
client:
  security.protocol: SSL
  ssl.ca.location: /etc/southbound/servicenow-ca.pem
  ssl.keystore.location: /etc/southbound/keystore.p12
secrets:
  ssl.keystore.password: env:SOUTHBOUND_SECRET_KEYSTORE
```

"""


def page() -> str:
    """Return the text of the page."""
    heads = ("field", "kind", "default", "meaning")
    sources = table(heads, field_rows(StreamSource))
    return INTRODUCTION + SOURCES + sources + DESTINATIONS + table(heads, field_rows(StreamDestination))

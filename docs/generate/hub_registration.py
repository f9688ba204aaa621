"""The section about the registration of the callback address at the hub of a system."""

from __future__ import annotations

from docs.generate.markdown import table

_INTRODUCTION = """## Registration at the hub

With `hub: {register: true}` the role `listener` registers its address at the hub of the system when it starts, with the
credentials, limits and circuit breaker of every other call. The service does not start without `listener.public_url`,
the address at which the system reaches the listener.

```yaml
callback_auth: {kind: token, token: env:SOUTHBOUND_SECRET_FIBRE_LAB_CALLBACKS}
hub: {register: true, credentials: url, event_types: [ServiceTestStateChangeEvent]}
```

```http
POST https://lab.example/tmf-api/serviceTestManagement/v4/hub
Content-Type: application/json

{"callback":"https://callbacks.example.org/fibre-lab/TOKEN/listener","query":"eventType=ServiceTestStateChangeEvent"}
```

"""
_ANSWERS = {
    "GET `/hub` with a list that has the address": (
        "It uses that registration, of another process or of an earlier start."
    ),
    "POST with success": "It keeps the id that is in the body or in `Location`.",
    "POST with 409": (
        "The address is registered. If GET `/hub` shows its id, it is kept. If that shows only the registration of"
        " another address, a warning says that the hub is occupied."
    ),
    "POST with 404, 405, 410 or 501": (
        "The system has no hub. A warning says so once and suggests `result_channels: [poll]`. The POST is repeated at"
        " each renewal, for a hub that was missing during a deployment."
    ),
    "anything else, or nothing": (
        "The call is repeated after the delays of `retry`, without an end. `/health/ready` has a warning, and the"
        " process stays ready."
    ),
}
_NOTES = """
- Every `renew_every` seconds, a GET of `/hub/ID` finds out whether the system still has the registration, and it is
  made again if not. The same happens before that when polls find three changes of which no notification arrived. A
  system without that GET is sent the POST again, and the former registration is removed if it answers with another
  id. A registration whose id is not known, at a hub that neither lists its registrations nor answers 409, is made
  again only when notifications seem to be lost: nothing would show whether there are two of them.
- `credentials: url` registers an address with the token of `callback_auth` as a part of its path. The listener
  compares it in constant time, and neither logs nor repeats it. A proxy in between may log paths, and
  `listener.public_url` should begin with `https://`. After the token was changed, remove the former registration at
  the system. `credentials: body` adds the header of `callback_auth` to the registration, for a system that keeps it
  (TMF653 defines no such field).
- `remove_at_stop` is off by default, because the registration belongs to all listeners: one that is restarted or
  scaled down would take the notifications of the others away until their next renewal.
- Two processes that start at once, at a hub that does not answer 409, may register twice. So may a restart, at a hub
  that neither lists its registrations nor answers 409. An event that arrives twice is processed once.
- `southbound_hub_registered` and `southbound_hub_registrations_total` show the state, `southbound spokes show` the
  address, and `southbound spokes probe` whether the hub lists it.

"""


def section() -> str:
    """Return the section."""
    return _INTRODUCTION + table(("the system answers", "what Southbound does"), _ANSWERS.items()) + _NOTES

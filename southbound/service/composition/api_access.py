"""Build the guard of the northbound interface from the settings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from consumers.metrics import API_CLIENT_REQUESTS, IDENTITY_KEY_FETCHES, IDENTITY_KEYS_AGE
from consumers.northbound.access.addresses import read_networks
from consumers.northbound.access.api_keys import ApiKeyAuthenticator
from consumers.northbound.access.audit import AuditLog
from consumers.northbound.access.basic_credentials import ExceptBasic, KeyOrPassword
from consumers.northbound.access.bearer_tokens import BearerAuthenticator
from consumers.northbound.access.client_limits import Rate
from consumers.northbound.access.client_names import ClientNames
from consumers.northbound.access.guard import AccessGuard, AccessLimits, AccessPolicy
from consumers.northbound.access.key_source import KeySource
from consumers.northbound.access.local_clients import LocalAuthenticator
from consumers.northbound.access.needed_scopes import scopes_for
from consumers.northbound.tokens.claims import ClaimRules
from consumers.northbound.tokens.jwks_cache import JwksCache
from consumers.northbound.tokens.jwks_fetcher import JwksFetcher
from consumers.northbound.tokens.signature import SignatureVerifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AsyncExitStack

    from consumers.metrics import Metrics
    from consumers.northbound.access.authenticator import Authenticator
    from southbound.settings.access import AccessSettings

log = structlog.get_logger()
_SECONDS_PER_MINUTE = 60


def build_access_guard(
    stack: AsyncExitStack,
    access: AccessSettings,
    *,
    environment: Mapping[str, str],
    metrics: Metrics,
    max_body_bytes: int,
) -> AccessGuard:
    """Return the guard; `stack` ends a fetch of keys that is under way.

    Raises:
        KeyFileError: the file of API keys cannot be used.
    """
    names = ClientNames()
    policy = AccessPolicy(
        authenticators=tuple(_authenticators(stack, access, environment, metrics)),
        scopes_for=scopes_for,
        limits=AccessLimits(
            rate=Rate(per_second=access.rate, burst=access.burst),
            failures=Rate(per_second=access.failures / _SECONDS_PER_MINUTE, burst=access.failures),
            max_body_bytes=max_body_bytes,
        ),
        proxies=read_networks(access.trusted_proxies),
        credential_headers=("Authorization", access.key_header),
    )
    return AccessGuard(
        policy,
        clock=time.monotonic,
        audit=AuditLog().write,
        on_request=lambda client, outcome: metrics.count(API_CLIENT_REQUESTS, names.label(client), outcome),
    )


def _authenticators(
    stack: AsyncExitStack, access: AccessSettings, environment: Mapping[str, str], metrics: Metrics
) -> Iterator[Authenticator]:
    if access.is_off:
        yield LocalAuthenticator()
    if access.keys is not None:
        source = KeySource(access.keys, environment, time.monotonic, _warn)
        keys = ApiKeyAuthenticator(source.keys, access.key_header, source)
        yield KeyOrPassword(keys) if access.basic else keys
    if access.issuer is not None and access.audience is not None and access.jwks_url is not None:
        issuer_keys = _issuer_keys(access.jwks_url, metrics)
        stack.push_async_callback(issuer_keys.close)
        rules = ClaimRules(
            issuer=access.issuer,
            audience=access.audience,
            name_claim=access.name_claim,
            scope_claim=access.scope_claim,
            tenant_claim=access.tenant_claim,
            leeway=access.leeway,
        )
        verifier = SignatureVerifier(access.accepted_algorithms)
        tokens = BearerAuthenticator(verifier=verifier, keys=issuer_keys, rules=rules, clock=time.time)
        yield ExceptBasic(tokens) if access.basic else tokens


def _warn(mistake: str) -> None:
    log.warning("changed API keys are not used", problem=mistake)


def _issuer_keys(url: str, metrics: Metrics) -> JwksCache:
    keys = JwksCache(
        JwksFetcher(url),
        time.monotonic,
        on_fetch=lambda ok: metrics.count(IDENTITY_KEY_FETCHES, "fetched" if ok else "failed"),
    )
    metrics.track(IDENTITY_KEYS_AGE, lambda: keys.age)
    return keys

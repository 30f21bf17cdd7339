"""Who is calling: a token's tenant or partner, and the tenant that a request means.

Scopes do not imply each other. Says the same of what is foreign and what is unknown.
"""

import base64
import binascii
import datetime as dt
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query
from ninja.security import HttpBasicAuth, HttpBearer

from dispatcher import broker
from dispatcher.api.problems import CHALLENGE, Problem, at_fault, not_found
from dispatcher.client_address import subscriber_address
from dispatcher.models import ApiToken, Partner, Source, Tenant
from dispatcher.models.tenancy import EXTERNAL_ID_PATTERN
from dispatcher.pipeline import audit

log = structlog.get_logger(__name__)

# Where the token of a source is good.
_OF_SOURCES: Final = "/ingest/"
_TOUCHED_EVERY: Final = dt.timedelta(minutes=1)
EXTERNAL_ID: Final = re.compile(EXTERNAL_ID_PATTERN)

TenantName = Annotated[
    str | None,
    Query(
        None,
        alias="tenant",
        description="The tenant's external_id; with a partner's token.",
    ),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner that a token speaks for: a tenant, or a partner.

    `source`: the one that the token is good for, None for any of its owner's.
    """

    tenant: Tenant | None
    partner: Partner | None
    source: Source | None = None

    def tenant_named(self, name: str | None) -> Tenant:
        """The tenant that a request means.

        A partner's token must name one of its tenants (422 without); a tenant's token
        may name its own. Raises Problem.
        """
        if self.tenant is not None:
            if name is None or name == self.tenant.external_id:
                return self.tenant
            raise not_found()
        if name is None:
            raise at_fault("tenant", "a partner's token names the tenant: ?tenant=")
        return self._tenant_of_partner(name)

    def owner_named(self, name: str | None) -> Tenant | Partner:
        """The owner of the webhooks that a request means.

        A partner's token without a tenant's name means the partner's own webhooks.
        """
        if self.partner is not None and name is None:
            return self.partner
        return self.tenant_named(name)

    def _tenant_of_partner(self, name: str) -> Tenant:
        tenant = None
        # The database cannot even be asked for some texts (NUL).
        if EXTERNAL_ID.fullmatch(name):
            tenant = Tenant.objects.filter(
                partner=self.partner, external_id=name
            ).first()
        if tenant is None:
            raise not_found()
        return tenant


class ApiRequest(HttpRequest):
    """A request whose token was found good."""

    auth: Caller


class Bearer(HttpBearer):
    """`Authorization: Bearer TOKEN`, with one scope."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Any:
        """The caller, or None. ninja's own logs a header that it does not know."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.authenticate(request, token) if kind.lower() == "bearer" else None

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """The caller; None for a bad token. Raises Problem 403 without the scope."""
        return _caller(request, token.strip(), self.scope)


class TokenAsPassword(HttpBasicAuth):
    """`Authorization: Basic`, for PBXs that know nothing else; any user name."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Any:
        """The caller, or None."""
        kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            # Bytes as they are: the user's name counts for nothing, a token is ASCII.
            text = base64.b64decode(encoded.strip(), validate=True).decode("latin-1")
        except (binascii.Error, ValueError):
            return None
        # The last colon: a source's name may stand here and hold some, a token holds none.
        user, _, password = text.rpartition(":")
        return self.authenticate(request, user, password)

    def authenticate(
        self, request: HttpRequest, username: str, password: str
    ) -> Caller | None:
        """The caller whose token is the password."""
        return _caller(request, password, self.scope)


def _caller(request: HttpRequest, text: str, scope: str) -> Caller | None:
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("tenant", "partner", "source")
        .filter(digest=ApiToken.digest_of(text))
        .first()
    )
    if token is None or not token.is_valid(now):
        _note_refused(request, token, now)
        return None
    _touch(token, now)
    if scope not in token.scopes:
        raise Problem(
            403,
            f"The token lacks the scope {scope}.",
            headers={
                "WWW-Authenticate": f'{CHALLENGE}, error="insufficient_scope",'
                f' scope="{scope}"'
            },
        )
    if token.source is not None and not request.path.startswith(_OF_SOURCES):
        raise Problem(
            403, f"The token is a source's: it is good at {_OF_SOURCES} only."
        )
    audit.name_actor(f"token …{token.hint}")
    return Caller(token.tenant, token.partner, token.source)


def _note_refused(
    request: HttpRequest, token: ApiToken | None, now: dt.datetime
) -> None:
    """Problem 429 for who has come with too many bad tokens in this minute.

    A good token is never asked to wait: behind one address may be many clients.
    """
    address = subscriber_address(request)
    per_minute = settings.CDRHOOK_REFUSED_TOKENS_PER_MINUTE
    seconds = 0
    if per_minute > 0:
        who = f"refused:{address}"
        seconds = broker.wait_seconds(who, per_minute=per_minute, now=now)
    if seconds:
        raise Problem(
            429,
            "Too many requests with tokens that are not valid.",
            headers={"Retry-After": str(seconds)},
        )
    log.info(
        "token.refused",
        address=address,
        # What the log and the lists call it; of an unknown one nothing is written down.
        token="unknown" if token is None else str(token),
    )


def _touch(token: ApiToken, now: dt.datetime) -> None:
    last = token.last_used_at
    if last is not None and now - last < _TOUCHED_EVERY:
        return  # not even an UPDATE of no rows: SQLite has one writer
    try:
        ApiToken.touch(token.pk, now)
    except DatabaseError as error:
        # When it was last used is worth less than what the caller came for.
        log.warning("token.not_touched", error=str(error)[:200])

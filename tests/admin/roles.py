"""A small world with two partners, and its people, for the tests of roles.

Partner north manages acme and globex, partner south manages the outsider. Everything
that belongs to an owner bears the owner's name, so that a page which shows something of
somebody else's is found out by looking for that name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dispatcher.models import (
    ApiToken,
    CallSummary,
    Delivery,
    Integration,
    Membership,
    OwedCdr,
    Partner,
    QuarantinedRecord,
    RawRecord,
    Replay,
    Source,
    StoredCdr,
    Tenant,
    Webhook,
)
from dispatcher.models.source import packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from django.db.models import Model

OWNERS: Final = frozenset({"acme", "globex", "outsider", "north", "south"})
# Role -> owner and role of the membership, and the owners whose things it sees.
ROLES: Final[dict[str, tuple[str | None, str, Set[str]]]] = {
    "operator": (None, "", OWNERS),
    "partner administrator": ("north", "administrator", {"north", "acme", "globex"}),
    "partner viewer": ("north", "viewer", {"north", "acme", "globex"}),
    "tenant administrator": ("acme", "administrator", {"acme"}),
    "tenant viewer": ("acme", "viewer", {"acme"}),
    "outsider's administrator": ("outsider", "administrator", {"outsider"}),
    "other partner's administrator": (
        "south",
        "administrator",
        {"south", "outsider"},
    ),
    "staff without membership": (None, "", frozenset()),
}
MEMBERS: Final = tuple(role for role, (owner, _, _) in ROLES.items() if owner)
VIEWERS: Final = tuple(role for role, (_, name, _) in ROLES.items() if name == "viewer")
NOT_OPERATORS: Final = tuple(role for role in ROLES if role != "operator")

_PARAMETER: Final = re.compile(r"<(?:\w+:)?\w+>")
_TOKEN: Final = re.compile(rb'name="csrfmiddlewaretoken" value="\w+"|X-CSRFToken[^}]+')


@dataclass
class World:
    """What there is, by model and by owner's name."""

    rows: dict[type[Model], dict[str, Any]] = field(default_factory=dict)

    def put(self, owner: str, row: Model) -> Any:
        """Remembers a row of an owner's."""
        self.rows.setdefault(type(row), {})[owner] = row
        return row

    def of(self, model: type[Any], owner: str) -> Any:
        """The owner's row of that model."""
        return self.rows[model][owner]

    def seen_by(self, role: str, model: type[Any]) -> dict[str, Any]:
        """The rows that the role is to see, by owner."""
        mine = ROLES[role][2]
        rows = self.rows[model]
        return {owner: row for owner, row in rows.items() if owner in mine}


def make_world() -> World:
    """Two partners, three tenants, and one of everything for each of them."""
    world = World()
    for name in ("north", "south"):
        world.put(name, Partner.objects.create(name=name))
    for name, partner in (
        ("acme", "north"),
        ("globex", "north"),
        ("outsider", "south"),
    ):
        tenant = Tenant.objects.create(
            external_id=name, name=name, partner=world.of(Partner, partner)
        )
        world.put(name, tenant)
        _calls(world, tenant)
        _webhook(world, name, {"tenant": tenant}, tenant)
    for name, carried in (("north", "acme"), ("south", "outsider")):
        owner = {"partner": world.of(Partner, name)}
        # A partner's webhook carries the calls of its tenants.
        _webhook(world, name, owner, world.of(Tenant, carried))
    return world


def _calls(world: World, tenant: Tenant) -> None:
    now, name = timezone.now(), tenant.external_id
    record = {
        "uid": f"{name}-call",
        "started_at": now.isoformat(),
        "caller": {"number": "+441632960001"},
    }
    cdr = StoredCdr.objects.create(
        tenant=tenant,
        uid=f"{name}-call",
        source="api",
        record=json.dumps(record),
        content_hash=name,
        started_at=now,
        call_end=now,
        caller_number="+441632960001",
        accepted_at=now,
    )
    world.put(name, cdr)
    source = Source.objects.create(
        tenant=tenant,
        name=f"{name}-switch",
        pbx="freeswitch",
        secret=f"{name}-secret",
        connection=f"postgresql://{name}:{name}-password@db.example/",
    )
    world.put(name, source)
    RawRecord.objects.create(cdr=cdr, source=source, packed=packed(name.encode()))
    record_of_nothing = QuarantinedRecord.objects.create(
        tenant=tenant,
        source=f"{name}-pbx",
        from_source=source,
        reason=f"{name}: no XML",
        body=name.encode(),
        digest=name,
        first_seen_at=now,
        last_seen_at=now,
    )
    summary = CallSummary.objects.create(
        tenant=tenant, cdr=cdr, state="failed", created_at=now, ended_at=now,
        error=f"{name} refused",
    )  # fmt: skip
    integration = Integration.objects.create(
        tenant=tenant,
        user=User.objects.create(username=f"somebody at {name}"),
        url=f"https://{name}.example/integration",
    )
    for row in (record_of_nothing, summary, integration):
        world.put(name, row)


def _webhook(world: World, name: str, owner: dict[str, Any], carried: Tenant) -> None:
    now = timezone.now()
    webhook = Webhook.objects.create(
        **owner, url=f"https://{name}.example/", health="DOWN", secret=f"{name}-secret"
    )
    webhook.headers.create(name=f"x-{name}", value=f"{name}-key")
    webhook.filters.create(field="cliNum", op="ne", value=f"{name}-number")
    delivery = Delivery.objects.create(
        webhook=webhook,
        tenant=carried,
        state="failed",
        created_at=now,
        ended_at=now,
        call_end=now,
        last_error=f"{name} refused",
        request_method="POST",
        request_content_type="application/json",
        request_body=json.dumps({"for": name}).encode(),
    )
    cdr = world.of(StoredCdr, carried.external_id)
    OwedCdr.objects.create(webhook=webhook, cdr=cdr, delivery=delivery)
    replay = Replay.objects.create(
        webhook=webhook,
        since=now,
        until=now,
        created_at=now,
        next_step_at=now,
        created_by=f"somebody at {name}",
    )
    token = ApiToken.objects.create(
        **owner, name=f"{name} token", digest=name, hint=name[:4], can_read=True
    )
    for row in (webhook, delivery, replay, token):
        world.put(name, row)


def user_in(role: str, world: World) -> User:
    """A user who may log in to the admin, in that role."""
    owner, name, _ = ROLES[role]
    # Without a password, whose hash would take longer than a test.
    user = User.objects.create(
        username=role.replace(" ", "-"),
        is_staff=True,
        is_superuser=role == "operator",
    )
    if owner is not None:
        kind: type[Any] = Partner if owner in world.rows[Partner] else Tenant
        column = {kind.__name__.lower(): world.of(kind, owner)}
        Membership.objects.create(user=user, role=name, **column)
    return user


def client_in(role: str, world: World) -> Client:
    """A browser in which a user of that role has logged in."""
    client = Client(raise_request_exception=False)
    client.force_login(user_in(role, world))
    return client


# Pages ------------------------------------------------------------------------------


def addresses(model: type[Model], key: object) -> Iterable[str]:
    """Every address of a model's page: of its list, and of the row with that key."""
    page: Any = admin.site._registry[model]
    meta = model._meta
    base = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    for pattern in page.get_urls():
        yield base + _PARAMETER.sub(str(key), str(pattern.pattern))


def answer(response: Any, *names: object) -> tuple[Any, ...]:
    """What a browser can tell of an answer, with `names` and csrf tokens made alike."""
    text = _TOKEN.sub(b"", response.content)
    parts = [
        response.get("Location", ""),
        *map(str, get_messages(response.wsgi_request)),
    ]
    for name in names:
        text = text.replace(str(name).encode(), b"NAME")
        parts = [part.replace(str(name), "NAME") for part in parts]
    return response.status_code, text, *parts


def everything(*, but: tuple[type[Any], ...] = ()) -> dict[str, list[Any]]:
    """All rows of all tables that a page shows or changes."""
    models: list[Any] = [User, Membership, OwedCdr, *admin.site._registry]
    return {
        model._meta.label: list(model.objects.order_by("pk").values())
        for model in models
        if model not in but
    }

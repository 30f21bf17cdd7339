"""A number is erased where only the bytes that a PBX sent hold it, and in waiting legs."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
from django.utils import timezone

from dispatcher.adapters import cdr_json
from dispatcher.models import (
    CallLeg,
    CdrRevision,
    KnownUid,
    RawRecord,
    Source,
    StoredCdr,
)
from dispatcher.models.source import packed
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.erase import Erased, erase
from dispatcher.pipeline.retain import retain
from dispatcher.values import Caller
from tests.pipeline.conftest import call

if TYPE_CHECKING:
    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

NUMBER = "+442031703746"
TEXT = f'{{"variables": {{"sip_from_display": "{quote_plus(NUMBER)} Ann"}}}}'.encode()


@pytest.fixture
def source(acme: Tenant) -> Source:
    return Source.objects.create(tenant=acme, name="switch-1", pbx="freeswitch")


def erased(tenant: Tenant, **options: Any) -> Erased:
    steps = list(erase(tenant, NUMBER, rest=0, pause=lambda _: None, **options))
    return steps[-1].erased


def stored(tenant: Tenant, uid: str, now: dt.datetime) -> StoredCdr:
    accept(tenant, [call(uid)], source="test", now=now)
    return StoredCdr.objects.get(tenant=tenant, uid=uid)


def leg(source: Source, uid: str, now: dt.datetime, **values: Any) -> CallLeg:
    record = cdr_json.dump(call(uid, **values.pop("holds", {})))
    given = {"call_id": "call", "packed": packed(b""), "due_at": now, **values}
    return CallLeg.objects.create(
        source=source, uid=uid, record=record, received_at=now, **given
    )


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        b"cdr=" + quote_plus(TEXT).encode(),
        b"cdr=" + base64.b64encode(TEXT),
        b"a=1&cdr=" + base64.b64encode(TEXT).replace(b"+", b" ").rstrip(b"="),
        b"<from>" + NUMBER.encode() + b"</from>" + b" " * 500,
    ],
)
def test_a_call_goes_whose_raw_record_alone_holds_it(acme, globex, now, body):
    for tenant in (acme, globex):
        cdr = stored(tenant, "c-1", now)
        RawRecord.objects.create(cdr=cdr, packed=packed(body))
    stored(acme, "other", now)

    assert erased(acme, dry_run=True).calls == 1
    assert erased(acme) == Erased(calls=1)
    assert StoredCdr.objects.get(tenant=acme).uid == "other"
    assert RawRecord.objects.get().cdr.tenant == globex


def test_a_call_goes_of_which_a_revisions_bytes_hold_it(acme, now):
    cdr = stored(acme, "c-1", now)
    CdrRevision.objects.create(
        cdr=cdr, number=1, record=cdr.record, received_at=now, packed=packed(TEXT)
    )

    assert erased(acme) == Erased(calls=1, revisions=1)


@pytest.mark.parametrize(
    "values", [{"packed": packed(TEXT)}, {"holds": {"caller": Caller(number=NUMBER)}}]
)
def test_legs_that_wait_go_with_all_of_their_call_and_stay_known(
    acme, source, now, values
):
    leg(source, "leg-1", now, **values)
    leg(source, "leg-2", now)
    leg(source, "leg-3", now, call_id="another")

    assert erased(acme, dry_run=True) == Erased(legs=2)
    assert CallLeg.objects.count() == 3
    assert erased(acme) == Erased(legs=2)
    assert CallLeg.objects.get().uid == "leg-3"
    assert KnownUid.objects.count() == 2


def test_legs_of_another_tenant_stay(globex, source, now):
    leg(source, "leg-1", now, packed=packed(TEXT))

    assert erased(globex) == Erased()
    assert CallLeg.objects.exists()


def test_a_joined_call_goes_of_which_one_legs_bytes_hold_it(acme, source, now):
    cdr = stored(acme, "c-1", now)
    leg(source, "leg-1", now, cdr=cdr, due_at=None, packed=packed(TEXT))

    assert erased(acme) == Erased(calls=1)
    assert not CallLeg.objects.exists()


def test_what_a_pbx_sent_is_kept_as_long_as_its_call(acme, source, now):
    acme.keep_cdrs_hours = 48
    acme.save()
    cdr = stored(acme, "c-1", now)
    RawRecord.objects.create(cdr=cdr, source=source, packed=packed(TEXT))
    leg(source, "leg-1", now, cdr=cdr, due_at=None)
    later = timezone.now() + dt.timedelta(hours=49)

    list(retain(lambda: later, pause=lambda _: None))

    assert not RawRecord.objects.exists()
    assert not CallLeg.objects.exists()

"""How long a tenant keeps its things is set by createtenant and on its page."""

from __future__ import annotations

import pytest

from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOURS = {"cdrs": 96, "deliveries": 48, "quarantine": 24, "recordings": 1}


def test_a_tenant_is_made_with_what_it_keeps(run):
    flags = [f"--keep-{what}-hours={hours}" for what, hours in HOURS.items()]

    run("createtenant", "Acme", "--external-id=acme", *flags, "--json")

    tenant = Tenant.objects.get()
    kept = {what: getattr(tenant, f"keep_{what}_hours") for what in HOURS}
    assert kept == HOURS


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (["--keep-cdrs-hours=47"], "keep_cdrs_hours"),
        (["--keep-deliveries-hours=0"], "keep_deliveries_hours"),
        (
            ["--keep-cdrs-hours=48", "--keep-deliveries-hours=49"],
            "keep_deliveries_hours",
        ),
        (["--keep-recordings-hours=-1"], "keep_recordings_hours"),
        *(([f"--keep-{what}-hours=876601"], f"keep_{what}_hours") for what in HOURS),
    ],
)
def test_what_cannot_be_kept_so_is_refused(run, flags, field):
    ran = run("createtenant", "Acme", "--external-id=acme", *flags, "--json")

    assert (ran.code, ran.fields) == (1, [field])
    assert not Tenant.objects.exists()


def test_an_operator_sets_it_on_the_tenants_page(admin_client, acme):
    page = f"/admin/dispatcher/tenant/{acme.pk}/change/"
    form = {"name": "Acme", "time_zone": "UTC", "keep_cdrs_hours": "96"}

    refused = admin_client.post(page, form | {"keep_deliveries_hours": "97"})
    admin_client.post(page, form | {"keep_deliveries_hours": "96"})

    assert "no longer than their calls" in refused.content.decode()
    acme.refresh_from_db()
    assert (acme.keep_cdrs_hours, acme.keep_deliveries_hours) == (96, 96)


def test_links_to_recordings_work_for_100_years_at_most(admin_client, acme):
    page = f"/admin/dispatcher/tenant/{acme.pk}/change/"
    form = {"name": "Acme", "time_zone": "UTC"}

    refused = admin_client.post(page, form | {"recording_link_hours": "99999999"})
    admin_client.post(page, form | {"recording_link_hours": "876600"})

    assert "At most 876600, or empty." in refused.content.decode()
    acme.refresh_from_db()
    assert acme.recording_link_hours == 876_600

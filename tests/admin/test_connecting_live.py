"""What is there to paste does hand calls over: it is run against a live server."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher.admin.connecting import pieces
from dispatcher.models import QuarantinedRecord, Source, StoredCdr
from dispatcher.pipeline import sources

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_httpserver import HTTPServer

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

CALL = {
    "uid": "call-1",
    "started_at": "2026-11-20T09:37:35+00:00",
    "direction": "inbound",
    "caller": {"number": "+442031703746"},
}
LEG = {
    "Start time": "2026-11-20T09:37:35.000Z",
    "Direction": "ORIGINATING",
    "Duration": 36,
    "Answered": "true",
    "Calling number": "2001",
    "Called number": "2002",
}
ROW = {
    "src": "5300",
    "dst": "5301",
    "start": "2026-11-20 09:37:35",
    "answer": "2026-11-20 09:37:38",
    "end": "2026-11-20 09:38:00",
    "duration": "25",
    "billsec": "22",
    "disposition": "ANSWERED",
    "uniqueid": "1386092800.0",
    "AcctId": "62",
}


def texts(tenant: Tenant, pbx: str, live_server: Any, settings: Any, now: Any) -> Any:
    """What the page of a new source says, with a token of its own."""
    settings.PUBLIC_URL = live_server.url
    source = Source.objects.create(tenant=tenant, name="switch-1", pbx=pbx)
    return pieces(
        pbx,
        url=sources.url_of(source),
        token=sources.new_token(source, now=now),
        tenant=tenant.external_id,
        source=source.name,
    )


def run(script: str, folder: Path) -> None:
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_curl_hands_a_record_over(acme, live_server, settings, now, tmp_path):
    (tmp_path / "record.json").write_text(json.dumps(CALL))

    run(texts(acme, "generic", live_server, settings, now)[0].text, tmp_path)

    assert not QuarantinedRecord.objects.exists()
    assert StoredCdr.objects.get().raw.source == Source.objects.get()


def test_a_login_in_the_url_is_taken(acme, live_server, settings, now, tmp_path):
    (tmp_path / "record.json").write_text(json.dumps(CALL))
    url = texts(acme, "generic", live_server, settings, now)[2].text

    run(f"curl --fail-with-body '{url}' --data-binary @record.json", tmp_path)

    assert StoredCdr.objects.count() == 1


def test_a_long_file_of_asterisks_is_handed_over_in_parts(
    acme, live_server, settings, now, tmp_path
):
    rows = [{**ROW, "uniqueid": f"1386092800.{number}"} for number in range(1_200)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "cdrhook.json").write_text(lines)
    told = texts(acme, "asterisk", live_server, settings, now)

    run(next(one.text for one in told if "split" in one.text), tmp_path)

    assert not QuarantinedRecord.objects.exists()
    assert StoredCdr.objects.count() == len(rows)


def test_the_poller_of_webex_hands_over_every_page(
    acme, live_server, settings, now, tmp_path, httpserver: HTTPServer
):
    script = texts(acme, "webex", live_server, settings, now)[0].text
    script = script.replace(
        "https://analytics-calling.webexapis.com", httpserver.url_for("")
    )
    script = script.replace("/etc/webex-to-cdrhook", "./login")
    (tmp_path / "login").write_text("WEBEX_TOKEN=secret\n")
    second = httpserver.url_for("/v1/cdr_feed?cursor=2")
    bearer = {"Authorization": "Bearer secret"}
    httpserver.expect_ordered_request("/v1/cdr_feed", headers=bearer).respond_with_json(
        {"items": [{**LEG, "Report ID": "r-1"}]},
        headers={"Link": f'<{second}>; rel="next"'},
    )
    httpserver.expect_ordered_request(
        "/v1/cdr_feed", query_string="cursor=2", headers=bearer
    ).respond_with_json({"items": [{**LEG, "Report ID": "r-2"}]})

    run(script, tmp_path)

    uids = StoredCdr.objects.order_by("uid").values_list("uid", flat=True)
    assert list(uids) == ["r-1", "r-2"]


def test_the_poller_of_a_ucm_hands_over_what_it_answers(
    acme, live_server, settings, now, tmp_path, httpserver: HTTPServer
):
    script = texts(acme, "grandstream", live_server, settings, now)[1].text
    script = script.replace("/etc/ucm-to-cdrhook", "./login")
    login = f"UCM={httpserver.url_for('')} UCM_LOGIN=cdrhook:secret\n"
    (tmp_path / "login").write_text(login.replace(" ", "\n"))
    httpserver.expect_request("/cdrapi").respond_with_json({"cdr_root": [ROW]})

    run(script, tmp_path)

    assert StoredCdr.objects.get().raw.source == Source.objects.get()
    assert not QuarantinedRecord.objects.exists()

"""createsource."""

from __future__ import annotations

import pytest
from django.test import Client

from dispatcher.models import ApiToken, Source

pytestmark = [pytest.mark.db, pytest.mark.django_db]

SWITCH = ("createsource", "--tenant=acme", "--name=switch-1", "--pbx=freeswitch")


def test_its_url_and_token_are_all_that_a_pbx_needs(acme, run, settings):
    settings.PUBLIC_URL = "https://cdr.example"

    made = run(
        *SWITCH, "--region=GB", "--legs=per_call", "--allow=127.0.0.0/8", "--json"
    )

    source = Source.objects.get()
    assert made.answer["id"] == str(source.pk)
    assert made.answer["url"] == "https://cdr.example/ingest/freeswitch/acme/switch-1"
    assert (source.region, source.legs) == ("GB", "per_call")
    client = Client(headers={"authorization": f"Bearer {made.answer['token']}"})
    path = made.answer["url"].removeprefix("https://cdr.example")
    assert client.post(path, b"?", "text/plain").status_code == 202
    assert ApiToken.objects.get().source == source


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--name=a b"], "name"),
        (["--pbx=nothing"], "pbx"),
        (["--tenant=nobody"], "tenant"),
        (["--region=gb"], "region"),
        (["--time-zone=Mars/Base"], "time_zone"),
        (["--allow=here"], "allowed_networks"),
        (["--file-format=nothing"], "file_format"),
        (["--secret-file=/no/such/file"], "secret"),
    ],
)
def test_a_source_that_cannot_be_names_the_argument(acme, run, arguments, field):
    ran = run(*SWITCH, *arguments, "--json")

    assert (ran.code, ran.out, ran.fields) == (1, "", [field])
    assert not Source.objects.exists()


def test_a_secret_comes_from_a_file(acme, run, tmp_path):
    (tmp_path / "secret").write_text("hush\n")

    run(*SWITCH, f"--secret-file={tmp_path / 'secret'}")

    assert Source.objects.get().secret == "hush"

"""Recordings by link: streamed from the storage or the PBX, whole or in parts."""

from __future__ import annotations

import datetime as dt
import json
import os
import tracemalloc
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.signals import request_finished
from django.db import close_old_connections, connection
from django.test import Client
from django.utils import timezone

from dispatcher.pipeline import outbound, playback
from dispatcher.pipeline.accept import accept
from dispatcher.pipeline.recording import recording_url
from dispatcher.sending.client import Door
from dispatcher.sending.fetch import FetchError, Limits, fetch
from dispatcher.values import Recording
from tests.pipeline.conftest import call
from tests.sending.receiver import Receiver, answer, close, drip, hang

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dispatcher.models import Tenant

pytestmark = [pytest.mark.db, pytest.mark.django_db]

MIB = 1024**2
UID = "pbx01-1756728013.921580"
SOUND = bytes(range(256)) * 4
SIZE = len(SOUND)
NOT_FOUND = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": "There is no such thing, or it is not yours.",
}


@pytest.fixture(autouse=True)
def one_connection(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps the connection that a test's transaction is on."""
    marker = request.node.get_closest_marker("django_db")
    if not marker.kwargs.get("transaction"):
        monkeypatch.setattr(playback, "close_old_connections", lambda: None)


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """The folder of the recordings."""
    settings.STORAGES = {
        **settings.STORAGES,
        "recordings": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path


@pytest.fixture
def recorded(acme: Tenant, now: Any, folder: Path) -> Callable[..., str]:
    """recorded(id, url=None, tenant=acme, uid=UID) -> path and query of the link."""

    def make(
        recording_id: str = "r1",
        url: str | None = None,
        tenant: Tenant = acme,
        uid: str = UID,
    ) -> str:
        cdr = call(uid, recordings=(Recording(id=recording_id, url=url),))
        accept(tenant, [cdr], source="test", now=now)
        parts = urlsplit(recording_url(tenant.pk, cdr))
        return f"{parts.path}?{parts.query}"

    return make


@pytest.fixture
def stored(folder: Path) -> Callable[..., None]:
    """stored(name, data=SOUND) puts a file into the folder."""

    def make(name: str = "acme/r1.wav", data: bytes = SOUND) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return make


@pytest.fixture
def pbx() -> Iterator[Callable[..., Receiver]]:
    """pbx(*behaviours) -> a PBX that keeps recordings; the default takes ranges."""
    started: list[Receiver] = []

    def start(*script: Any) -> Receiver:
        started.append(Receiver(list(script) or [playing(SOUND)]))
        return started[-1]

    yield start
    for receiver in started:
        receiver.__exit__()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has downloads give up soon."""
    soon = dt.timedelta(seconds=0.5)
    door = Door(replace(outbound.policy(), deadline=soon))
    limits = Limits(silence=soon, total=dt.timedelta(seconds=1))
    monkeypatch.setattr(
        playback,
        "fetch_out",
        lambda url, headers: fetch(door, url, headers, limits),
    )


def playing(data: bytes, *headers: str) -> Any:
    """A PBX's answer that honours ranges."""
    headers = ("Content-Type: audio/mpeg", 'ETag: "v1"', *headers)

    def behave(receiver: Receiver, conn: Any) -> None:
        wanted = receiver.requests[-1].headers.get("range", "")
        if not wanted:
            conn.sendall(answer(200, *headers, body=data))
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin = int(first) if first else len(data) - int(last)
        end = int(last) + 1 if first and last else len(data)
        if begin >= len(data):
            told = f"Content-Range: bytes */{len(data)}"
            conn.sendall(answer(416, told, body=b""))
            return
        part = data[begin:end]
        told = f"Content-Range: bytes {begin}-{begin + len(part) - 1}/{len(data)}"
        conn.sendall(answer(206, *headers, told, body=part))

    return behave


@dataclass
class Answer:
    """An answer that was read to its end."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


def get(link: str, method: str = "GET", **headers: str) -> Answer:
    response: Any = Client().generic(method, link, headers=headers)
    # A server closes what it streams; Django's client does at the end only.
    chunks = response.streaming_content if response.streaming else [response.content]
    return Answer(response.status_code, dict(response.items()), b"".join(chunks))


def leave(response: Any) -> None:
    """Stop listening, as a server notices it."""
    request_finished.disconnect(close_old_connections)
    response.close()
    request_finished.connect(close_old_connections)


# From the storage -----------------------------------------------------------------


def test_a_recording_is_streamed_from_the_folder(recorded, stored):
    stored("acme/r1.wav")

    response = get(recorded())

    assert (response.status_code, response.content) == (200, SOUND)
    assert response.headers["Content-Type"] == "audio/wav"
    assert response.headers["Content-Length"] == str(SIZE)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Cache-Control"] == "private"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == f'inline; filename="{UID}.wav"'
    assert "ETag" in response.headers
    assert "Last-Modified" in response.headers


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("r1", "application/octet-stream"),
        ("r1.mp3", "audio/mpeg"),
        ("r1.opus", "audio/ogg"),
        ("r1.m4a", "audio/mp4"),
        ("r1.webm", "audio/webm"),
    ],
)
def test_the_type_is_that_of_the_files_name(recorded, stored, name, kind):
    stored(f"acme/{name}")

    response = get(recorded())

    assert response.headers["Content-Type"] == kind
    assert response.content == SOUND


@pytest.mark.parametrize("recording_id", ["page.html", "image.svg", "x.unheard-of"])
def test_what_is_no_sound_has_no_type_of_its_own(recorded, stored, recording_id):
    stored(f"acme/{recording_id}")

    response = get(recorded(recording_id))

    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.content == SOUND


def test_a_recording_may_stand_in_a_folder_of_the_tenant(recorded, stored):
    stored("acme/2026/11/r1.wav")

    assert get(recorded("2026/11/r1")).content == SOUND


def test_a_folder_is_no_recording(recorded, stored):
    stored("acme/2026/11.wav")
    link = recorded("2026")

    assert get(link).status_code == 404


def test_a_file_beside_a_folder_of_its_name_is_found(recorded, stored):
    stored("acme/r1/other.wav", b"other")
    stored("acme/r1.wav")

    assert get(recorded()).content == SOUND


def test_another_storage_of_django_can_be_used(recorded, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "recordings": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    storages["recordings"].save("acme/r1.ogg", ContentFile(SOUND))
    link = recorded()

    whole, part = get(link).content, get(link, range="bytes=-10").content

    assert (whole, part) == (SOUND, SOUND[-10:])


def test_a_storage_without_dates_still_plays(recorded, stored, monkeypatch):
    stored()

    def unknown(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(storages["recordings"], "get_modified_time", unknown)
    response = get(recorded(), range="bytes=0-9")

    assert response.content == SOUND[:10]
    assert "ETag" not in response.headers
    assert "Last-Modified" not in response.headers


def test_a_storage_that_fails_is_502_without_its_reason(recorded, monkeypatch):
    link = recorded()

    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the storage")

    monkeypatch.setattr(storages["recordings"], "exists", fail)
    response = get(link)

    assert response.status_code == 502
    assert b"secret" not in response.content


@pytest.mark.parametrize(
    "recording_id", ["../globex/r1", "x/../../globex/r1", "..", "/etc/passwd", "a\\b"]
)
def test_no_id_leads_out_of_the_tenants_folder(recorded, stored, recording_id):
    stored("globex/r1")
    stored("acme/x/y")

    response = get(recorded(recording_id))

    assert (response.status_code, response.json()) == (404, NOT_FOUND)


def test_a_tenant_whose_name_is_no_folder_plays_nothing(recorded, stored, acme):
    stored("r1.wav")
    stored("acme/r1.wav")
    acme.external_id = "."
    acme.save()

    assert get(recorded()).status_code == 404


def test_50_mb_pass_through_little_memory(recorded, stored):
    stored("acme/r1.wav", b"x" * (50 * MIB))
    link = recorded()
    tracemalloc.start()
    response: Any = Client().get(link)
    total = sum(len(chunk) for chunk in response.streaming_content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert total == 50 * MIB
    assert peak < 3 * MIB


# Ranges ---------------------------------------------------------------------------


@pytest.fixture(params=["storage", "pbx"])
def playable(request, recorded, stored, pbx) -> str:
    """A link to SOUND in the one place or the other."""
    if request.param == "storage":
        stored()
        return str(recorded())
    return str(recorded("r1", pbx().url("/r1")))


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=1000-", 1000, SIZE - 1),
        ("bytes=1000-99999", 1000, SIZE - 1),
        ("bytes=-24", SIZE - 24, SIZE - 1),
    ],
)
def test_a_range_is_206(playable, wanted, first, last):
    response = get(playable, range=wanted)

    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response.headers["Content-Length"] == str(last - first + 1)
    assert response.content == SOUND[first : last + 1]


def test_a_range_beyond_the_end_is_416(playable):
    response = get(playable, range=f"bytes={SIZE}-")

    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{SIZE}"
    assert response.json()["status"] == 416


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,4-5", "bytes=5-1", "bytes=x", "lines=1-"]
)
def test_what_is_no_single_range_is_the_whole(playable, wanted):
    response = get(playable, range=wanted)

    assert (response.status_code, response.content) == (200, SOUND)
    assert "Content-Range" not in response.headers


def test_a_range_holds_if_nothing_changed(playable):
    etag = get(playable).headers["ETag"]

    response = get(playable, range="bytes=0-9", if_range=etag)

    assert (response.status_code, response.content) == (206, SOUND[:10])


@pytest.mark.parametrize(
    "former", ['"other"', 'W/"v1"', "Fri, 20 Nov 2026 10:00:00 GMT", "nonsense"]
)
@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=99999-"])
def test_a_range_of_what_has_changed_is_the_whole(playable, former, wanted):
    response = get(playable, range=wanted, if_range=former)

    assert (response.status_code, response.content) == (200, SOUND)


def test_a_range_holds_by_date_too(recorded, stored):
    stored()
    link = recorded()
    date = get(link).headers["Last-Modified"]

    response = get(link, range="bytes=0-9", if_range=date)

    assert (response.status_code, response.content) == (206, SOUND[:10])


def test_the_etag_is_another_once_the_file_has_changed(recorded, stored, folder):
    stored()
    link = recorded()
    before = get(link).headers["ETag"]
    os.utime(folder / "acme/r1.wav", ns=(0, 10**18))

    assert get(link).headers["ETag"] != before


def test_an_empty_recording_is_an_empty_200_without_ranges_to_give(recorded, stored):
    stored("acme/r1.wav", b"")
    link = recorded()

    assert get(link).content == b""
    assert get(link, range="bytes=0-").headers["Content-Range"] == "bytes */0"


def test_it_is_conditional_on_nothing_else(playable):
    etag = get(playable).headers["ETag"]

    response = get(playable, if_none_match=etag)

    assert (response.status_code, response.content) == (200, SOUND)


@pytest.mark.parametrize("wanted", ["", "bytes=0-9", f"bytes={SIZE}-"])
def test_head_says_the_same_without_the_bytes(playable, wanted):
    headers = {"range": wanted} if wanted else {}
    expected = get(playable, **headers)
    response = get(playable, "HEAD", **headers)

    assert response.status_code == expected.status_code
    assert response.content == b""
    assert response.headers == expected.headers


# From the PBX ---------------------------------------------------------------------


def test_a_recording_is_streamed_from_the_pbx(recorded, pbx):
    receiver = pbx()

    response = get(recorded("r1", receiver.url("/a.mp3?key=k")))

    assert (response.status_code, response.content) == (200, SOUND)
    assert response.headers["Content-Type"] == "audio/mpeg"
    assert response.headers["Content-Length"] == str(SIZE)
    assert response.headers["ETag"] == '"v1"'
    assert response.headers["Content-Disposition"] == f'inline; filename="{UID}.mp3"'
    assert receiver.requests[0].line == "GET /a.mp3?key=k HTTP/1.1"


def test_the_file_goes_before_the_pbxs_own(recorded, stored, pbx):
    receiver = pbx()
    stored("acme/r1.wav", b"from the folder")

    assert get(recorded("r1", receiver.url())).content == b"from the folder"
    assert receiver.requests == []


def test_nothing_of_the_listeners_but_the_range_reaches_the_pbx(recorded, pbx):
    receiver = pbx()
    link = recorded("r1", receiver.url())

    response = get(
        link,
        **{
            "range": "bytes= 1-2 ",
            "if-range": '"v1"',
            "authorization": "Bearer secret",
            "cookie": "sessionid=secret",
            "referer": "https://crm.example/",
            "x-forwarded-for": "198.51.100.1",
        },
    )

    assert response.content == SOUND[1:3]
    (request,) = receiver.requests
    assert set(request.headers) == {"host", "user-agent", "accept-encoding", "range"}
    assert request.headers["range"] == "bytes=1-2"


def test_a_pbx_that_knows_no_ranges_gives_the_whole(recorded, pbx):
    receiver = pbx(answer(200, "Content-Type: audio/wav", body=SOUND))

    response = get(recorded("r1", receiver.url()), range="bytes=0-9")

    assert (response.status_code, response.content) == (200, SOUND)
    assert response.headers["Accept-Ranges"] == "none"


@pytest.mark.parametrize(
    ("told", "path", "kind"),
    [
        ("text/html", "/x", "application/octet-stream"),
        ("text/html", "/x.html", "application/octet-stream"),
        ("text/html", "/x.mp3", "audio/mpeg"),
        ("video/webm; codecs=opus", "/x", "video/webm"),
        ("audio/x-wav", "/x.mp3", "audio/x-wav"),
        ("audio/", "/x", "application/octet-stream"),
    ],
)
def test_only_sound_and_video_are_told_as_such(recorded, pbx, told, path, kind):
    receiver = pbx(answer(200, f"Content-Type: {told}", body=SOUND))

    response = get(recorded("r1", receiver.url(path)))

    assert response.headers["Content-Type"] == kind


def test_other_headers_of_the_pbx_are_not_passed_on(recorded, pbx):
    receiver = pbx(
        playing(SOUND, "Set-Cookie: a=b", "X-Inner: 10.0.0.1", "Server: pbx")
    )

    response = get(recorded("r1", receiver.url()))

    assert not {"Set-Cookie", "X-Inner", "Server"} & set(response.headers)


@pytest.mark.parametrize("status", [404, 410])
def test_what_the_pbx_does_not_keep_any_more_is_unknown(recorded, pbx, status):
    response = get(recorded("r1", pbx(answer(status)).url()))

    assert (response.status_code, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    "behaviour",
    [
        close,
        answer(401),
        answer(500),
        answer(204, body=b""),
        answer(206, "Content-Range: bytes 0-1/2"),
        answer(200, "Content-Encoding: gzip"),
    ],
)
def test_an_answer_that_is_none_is_502_without_its_reason(recorded, pbx, behaviour):
    response = get(recorded("r1", pbx(behaviour).url()))

    assert response.status_code == 502
    assert response.json()["title"] == "Bad Gateway"
    assert b"127.0.0.1" not in response.content


@pytest.mark.parametrize(
    "content_range", ["bytes 0-8/99", "bytes 5-1/9", "bytes 0-1", "lines 0-1/2"]
)
def test_a_part_that_is_none_is_502(recorded, pbx, content_range):
    receiver = pbx(answer(206, f"Content-Range: {content_range}", body=b"ab"))

    assert get(recorded("r1", receiver.url()), range="bytes=0-1").status_code == 502


def test_a_redirect_is_not_followed(recorded, pbx):
    elsewhere = pbx()
    receiver = pbx(answer(302, f"Location: {elsewhere.url()}"))

    response = get(recorded("r1", receiver.url()))

    assert response.status_code == 502
    assert elsewhere.requests == []


@pytest.mark.parametrize("behaviour", [hang, drip(answer(200), 0.05)])
def test_a_pbx_that_does_not_answer_in_time_is_502(recorded, pbx, behaviour, hasty):
    response = get(recorded("r1", pbx(behaviour).url()))

    assert response.status_code == 502


def answering_but_for_the_last_byte(receiver: Receiver, conn: Any) -> None:
    conn.sendall(answer(200, body=SOUND)[:-1])
    hang(receiver, conn)


def test_a_pbx_that_falls_silent_breaks_the_stream_off(recorded, pbx, hasty):
    link = recorded("r1", pbx(answering_but_for_the_last_byte).url())

    with pytest.raises(FetchError, match=r"nothing came for 0\.5 s"):
        get(link)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/r1.wav",
        "/var/lib/freeswitch/recordings/r1.wav",
        "file:///etc/passwd",
        "http://user:secret@127.0.0.1/r1.wav",
    ],
)
def test_a_refused_address_is_as_unknown_and_its_reason_is_logged(
    recorded, url, caplog
):
    response = get(recorded("r1", url))

    assert (response.status_code, response.json()) == (404, NOT_FOUND)
    (line,) = [
        r.getMessage() for r in caplog.records if "not_fetched" in r.getMessage()
    ]
    assert "blocked" in line
    assert "secret" not in line


def test_neither_file_nor_url_is_unknown(recorded):
    response = get(recorded())

    assert (response.status_code, response.json()) == (404, NOT_FOUND)


# Links that are good for nothing --------------------------------------------------


def test_bad_links_all_get_the_same_bytes(recorded, stored, acme, globex):
    stored("acme/r1")
    stored("globex/r1")
    link = recorded()
    path, _, token = link.partition("?token=")
    foreign = recorded(tenant=globex, uid="other")
    acme.recording_link_hours = 1
    acme.save()
    links = [
        path,
        f"{path}?token=",
        f"{path}?token={token}x",
        f"{path}?token={foreign.partition('?token=')[2]}",
        f"{path}x?token={token}",
        f"{path.rpartition('/')[0]}/other?token={token}",
        f"{path.rpartition('/')[0]}/%00?token={token}",
        f"{path}?token={_long_ago(acme)}",
    ]

    answers = [get(each) for each in links]

    assert {each.status_code for each in answers} == {404}
    assert len({each.content for each in answers}) == 1
    assert len({tuple(sorted(each.headers.items())) for each in answers}) == 1
    assert get(link).content == SOUND


def _long_ago(tenant: Tenant) -> str:
    with time_machine.travel(timezone.now() - dt.timedelta(hours=2)):
        url = recording_url(tenant.pk, call(UID, recordings=(Recording(id="r1"),)))
    return url.partition("?token=")[2]


def test_an_api_token_opens_no_recording(recorded, stored, client_for, acme):
    stored()
    path = recorded().partition("?")[0]

    assert client_for(acme).get(path).status_code == 404


def test_other_methods_are_refused(recorded, stored):
    stored()

    response = get(recorded(), "POST")

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"


def test_the_token_is_never_logged(recorded, pbx, stored, caplog):
    caplog.set_level("DEBUG")
    link = recorded("r1", pbx(close).url())
    token = link.partition("?token=")[2]

    get(link)
    get(link.replace("?", "x?"))
    get(link, "POST")

    assert caplog.records
    assert not [r for r in caplog.records if token in r.getMessage()]


# What is held meanwhile -----------------------------------------------------------


@pytest.fixture
def one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has one recording be played at a time."""
    monkeypatch.setattr(playback, "MAX_PLAYING", 1)


def test_who_plays_too_many_at_once_is_told_to_come_back(recorded, stored, one_place):
    stored()
    link = recorded()

    playing_now = Client().get(link)
    refused = get(link)
    leave(playing_now)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert get(link).content == SOUND


def test_one_tenants_listeners_leave_places_for_others(
    recorded, stored, globex, monkeypatch
):
    monkeypatch.setattr(playback, "MAX_PLAYING_A_TENANT", 1)
    stored()
    link = recorded()
    playing_now = Client().get(link)

    refused = get(link)

    assert refused.status_code == 503
    assert playback._take_place(globex.external_id)
    playback._leave_place(globex.external_id)
    leave(playing_now)
    assert get(link).content == SOUND


@pytest.mark.parametrize("wanted", ["bytes=0-9", f"bytes={SIZE}-", ""])
def test_every_end_gives_its_place_back(playable, one_place, wanted):
    ends = [
        get(playable, method, range=wanted).status_code
        for method in ("GET", "HEAD", "GET", "HEAD")
    ]

    assert 503 not in ends
    assert get(playable).content == SOUND


@pytest.mark.parametrize("behaviour", [close, answer(500), answer(404), answer(302)])
def test_every_failure_gives_its_place_back(recorded, pbx, one_place, behaviour):
    link = recorded("r1", pbx(behaviour).url())

    assert 503 not in {get(link).status_code for _ in range(3)}


def test_a_place_is_given_back_when_the_pbx_falls_silent(
    recorded, pbx, hasty, one_place
):
    receiver = pbx(answering_but_for_the_last_byte, answer(404))
    link = recorded("r1", receiver.url())

    with pytest.raises(FetchError):
        get(link)

    assert get(link).status_code == 404


def test_the_connection_to_the_pbx_is_closed_when_the_listener_leaves(recorded, pbx):
    receiver = pbx()
    response = Client().get(recorded("r1", receiver.url()))

    leave(response)

    assert receiver.closed.wait(5)


@pytest.mark.django_db(transaction=True)
def test_no_database_connection_is_held_while_the_pbx_is_asked(
    recorded, pbx, monkeypatch
):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections to run out of")
    link = recorded("r1", pbx().url())
    held = []

    def watched(url: str, headers: dict[str, str]) -> Any:
        held.append(connection.connection)
        return outbound.fetch_out(url, headers)

    monkeypatch.setattr(playback, "fetch_out", watched)

    assert get(link).content == SOUND
    assert held == [None]

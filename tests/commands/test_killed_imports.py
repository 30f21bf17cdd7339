"""Killed in the middle, an import or a spooled file goes on: no call lost, none twice."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher.pipeline.chunks import STEP_BYTES
from tests import environment, servers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.db
ROWS = 6000
# One look after another, as long as there is more.
SPOOL = """
import django; django.setup()
from django.utils import timezone
from dispatcher.models import Source
from dispatcher.pipeline import spool
more = True
while more:
    more = spool.look(Source.objects.get(), now=timezone.now(), budget=1).more
    print("looked", flush=True)
"""
COUNT = """
import django; django.setup()
from dispatcher.models import Delivery, FilePlace, OwedCdr, StoredCdr
duplicates = sum(FilePlace.objects.values_list("duplicates", flat=True))
print(StoredCdr.objects.count(), Delivery.objects.count(), duplicates)
"""
SET_UP = """
import django; django.setup()
from django.core.management import call_command
from dispatcher.models import Tenant, Webhook
call_command("migrate", verbosity=0)
acme = Tenant.objects.create(name="Acme", external_id="acme")
Webhook.objects.create(tenant=acme, url="https://receiver.example/", style="envelope")
"""
SOURCE = """
import django; django.setup()
from dispatcher.models import Source, Tenant
Source.objects.create(tenant=Tenant.objects.get(), name="pbx", pbx="asterisk",
    folder={folder!r}, file_format="asterisk-csv")
"""


class Installed:
    """cdrhook on a database of its own, without any server of it running."""

    def __init__(self, folder: Path) -> None:
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "cdrhook.settings",
            "CDRHOOK_DATA_DIR": str(folder / "data"),
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "SECRET_KEY": "a key of tests",
            "LOG_LEVEL": "WARNING",
        }
        if environment.DATABASE == "postgres":
            name = f"killed_{secrets.token_hex(4)}"
            servers.create_database(name)
            self.env["DATABASE_URL"] = environment.postgres_url(name)
        (folder / "data").mkdir()
        self.run("-c", SET_UP)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A Python process, whose output is ours to read."""
        return subprocess.Popen(
            (sys.executable, *command),
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *command: str) -> str:
        """The same to its end; what it said."""
        process = self.start(*command)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()
        return out.decode()

    def cdrhook(self, *command: str) -> str:
        """A management command."""
        return self.run("-m", "cdrhook", *command)

    def counts(self) -> list[int]:
        """Calls, deliveries, and duplicates of spooled files."""
        return [int(count) for count in self.run("-c", COUNT).split()]

    def calls(self) -> int:
        """How many calls there are."""
        return self.counts()[0]


@pytest.fixture
def installed(database_server: None, tmp_path: Path) -> Installed:
    """It, empty but for a tenant and its webhook."""
    return Installed(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of so many calls, each a second after the one before."""
    (tmp_path / "spool").mkdir()
    file = tmp_path / "spool" / "Master.csv"
    row = (
        '"","100","200","from-internal","""A"" <100>","PJSIP/100-1","PJSIP/2-1","Dial",'
        '"PJSIP/2","2026-03-02 06:00:00",,"2026-03-02 06:00:09",9,0,"NO ANSWER",'
        '"DOCUMENTATION","{n}.1","","","{n}.1",{n}\n'
    )
    file.write_text("".join(row.format(n=n) for n in range(ROWS)))
    return file


def test_an_import_that_is_killed_is_run_again(installed, file):
    of = ("--tenant=acme", "--format=asterisk-csv")
    running = installed.start("-m", "cdrhook", "import_cdrs", "-", *of)
    assert running.stdin is not None
    # It stores what it has got, and waits for more.
    running.stdin.write(file.read_bytes()[: STEP_BYTES + 5_000])
    _until_some(installed, running)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    before = installed.calls()

    answer = json.loads(installed.cdrhook("import_cdrs", str(file), *of, "--json"))
    again = json.loads(installed.cdrhook("import_cdrs", str(file), *of, "--json"))

    assert 0 < before < ROWS
    assert answer == {"accepted": ROWS - before, "duplicates": before, "rejected": 0}
    assert again == {"accepted": 0, "duplicates": ROWS, "rejected": 0}
    assert installed.counts() == [ROWS, ROWS, 0]


def test_a_spooled_file_is_read_on_where_a_killed_process_was(installed, file):
    installed.run("-c", SOURCE.format(folder=str(file.parent)))
    for _ in range(2):
        running = installed.start("-c", SPOOL)
        assert running.stdout is not None
        running.stdout.readline()
        # In the middle of what comes after the first look.
        time.sleep(secrets.randbelow(200) / 1000)
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    before = installed.counts()

    installed.run("-c", SPOOL)

    assert 0 < before[0] == before[1] <= ROWS
    assert installed.counts() == [ROWS, ROWS, 0]


def _until_some(installed: Installed, running: subprocess.Popen[Any]) -> None:
    """Until it has committed something, which its database tells."""
    deadline = time.monotonic() + 120
    while not installed.calls():
        assert running.poll() is None
        assert time.monotonic() < deadline

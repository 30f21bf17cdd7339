"""Looks up known holes in what cdrhook is built on, for `make lint`.

Fails on findings. Where no advisory service can be reached it says so, and does not fail:
that is no fault of the code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS = 60
NOT_AUDITED = "dependencies NOT audited: no advisory service can be reached"


def main() -> int:
    """The exit code; one line says what came of it, one more a finding."""
    found = advisories()
    audited = [one for one in found if "vulns" in one]
    if not audited:
        print(NOT_AUDITED)
        return 0
    findings = [(one, hole) for one in audited for hole in one["vulns"]]
    for one, hole in findings:
        print(f"{one['name']} {one['version']}: {hole['id']} {hole['fix_versions']}")
    left = len(found) - len(audited)
    print(f"{len(audited)} dependencies audited, {left} not: {len(findings)} findings")
    return 1 if findings else 0


def advisories() -> list[dict[str, Any]]:
    """What pip-audit says of each package; nothing where it cannot say anything."""
    program = Path(sys.executable).with_name("pip-audit")
    command = (program, "-r", "requirements.txt", "--no-deps", "--disable-pip")
    try:
        done = subprocess.run(
            (*command, "--timeout", "3", "--format", "json"),
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError):
        return []
    return dependencies


if __name__ == "__main__":
    sys.exit(main())

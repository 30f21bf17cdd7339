"""A bare loop of requests.Session.post: the limit of this stack.

    python -m benchmarks.rivals.bare_loop FILE SHARE OF

FILE holds lines of JSON: {"id", "url", "headers", "body"}; this process takes every
OF-th of them. Waits for a line on standard input, then POSTs them one after the other,
each with its signature; prints {"seconds", "cpu", "sent"}.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import resource
import sys
import time
from pathlib import Path

import requests


def main() -> None:
    """Records nothing, retries nothing, guards nothing."""
    path, share, of = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with path.open() as lines:
        jobs = [json.loads(line) for n, line in enumerate(lines) if n % of == share]
    work = [(job, job["body"].encode(), job["key"].encode()) for job in jobs]
    session = requests.Session()
    session.trust_env = False
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.monotonic(), _cpu()
    sent = 0
    for job, body, key in work:
        now = str(int(time.time()))
        signed = b".".join((job["id"].encode(), now.encode(), body))
        digest = hmac.digest(key, signed, hashlib.sha256)
        signature = "v1," + base64.b64encode(digest).decode()
        headers = {
            **job["headers"],
            "webhook-id": job["id"],
            "webhook-timestamp": now,
            "webhook-signature": signature,
        }
        answer = session.post(
            job["url"], data=body, headers=headers, timeout=10, allow_redirects=False
        )
        sent += answer.status_code == 200
    told = {"seconds": time.monotonic() - began, "cpu": _cpu() - cpu, "sent": sent}
    print(json.dumps(told), flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

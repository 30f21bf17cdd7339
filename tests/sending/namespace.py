"""A network of this process' own, with a real name server in it.

`enter` leaves the machine's network for an empty one, in which this process is root:
any address can be added to its loopback device, port 53 is free, and the system's
getaddrinfo asks the name server that is written into its own /etc/resolv.conf. Needs no
privileges where the kernel lets ordinary users make user namespaces (Linux; sysctl
kernel.apparmor_restrict_unprivileged_userns=0 on recent Ubuntu). To be called first in a
process: only one that has a single thread may leave.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A
from dnslib.server import DNSLogger, DNSServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEW_MOUNTS, NEW_USER, NEW_NETWORK = 0x00020000, 0x10000000, 0x40000000
BIND, PRIVATE_BELOW = 0x1000, 0x4000 | 0x40000
GET_FLAGS, SET_FLAGS, SET_ADDRESS, UP = 0x8913, 0x8914, 0x8916, 0x1
# Not by way of systemd-resolved's or nscd's socket, which a namespace does not hide.
FILES = {
    "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:8 attempts:1\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}

libc = ctypes.CDLL(None, use_errno=True)


def enter(*addresses: str) -> None:
    """Goes there; `addresses` (IPv4) are then this machine's own. OSError if refused."""
    user, group = os.getuid(), os.getgid()
    _check(libc.unshare(NEW_USER | NEW_MOUNTS | NEW_NETWORK))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(libc.mount(None, b"/", None, PRIVATE_BELOW, None))
    for path, text in FILES.items():
        _put_over(path, text)
    _own("lo", "127.0.0.1")
    for number, address in enumerate(addresses):
        _own(f"lo:{number}", address)


def _put_over(path: str, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(text)
    _check(libc.mount(file.name.encode(), path.encode(), None, BIND, None))
    # The mount holds on to it.
    Path(file.name).unlink()


def _own(device: str, address: str) -> None:
    name = device.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        family, ip = struct.pack("=H", socket.AF_INET), socket.inet_aton(address)
        wanted = struct.pack("16s2s2x4s16x", name, family, ip)
        fcntl.ioctl(any_socket, SET_ADDRESS, wanted)
        now = fcntl.ioctl(any_socket, GET_FLAGS, struct.pack("16s24x", name))
        flags = struct.unpack_from("=H", now, 16)[0] | UP
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("=16sH22x", name, flags))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class NameServer:
    """Answers by script: the n-th query for a name's A gets the n-th answer.

    An answer is a list of IPv4 and IPv6 addresses, or of one other name; the last one
    repeats. Counts the A queries by name. A context manager.
    """

    def __init__(self, script: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self.script = script
        self.asked: Counter[str] = Counter()
        logger = DNSLogger("-request,-reply", logf=lambda _: None)
        self._server = DNSServer(self, address="127.0.0.1", port=53, logger=logger)

    def __enter__(self) -> NameServer:
        self._server.start_thread()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def resolve(self, request: Any, handler: Any) -> Any:
        """What dnslib calls for each packet."""
        name, kind = str(request.q.qname).rstrip("."), QTYPE[request.q.qtype]
        reply = request.reply()
        answers = self.script.get(name)
        if answers is None:
            reply.header.rcode = RCODE.NXDOMAIN
            return reply
        number = self.asked[name]
        if kind == "A":
            self.asked[name] += 1
        for text in answers[min(number, len(answers) - 1)]:
            for record in self._records(name, kind, text):
                reply.add_answer(record)
        return reply

    def _records(self, name: str, kind: str, text: str) -> list[RR]:
        if ":" in text:
            return [RR(name, QTYPE.AAAA, rdata=AAAA(text))] if kind == "AAAA" else []
        if text[0].isdigit():
            return [RR(name, QTYPE.A, rdata=A(text))] if kind == "A" else []
        alias = RR(name, QTYPE.CNAME, rdata=CNAME(text))
        behind = self.script[text][0]
        return [alias, *(r for each in behind for r in self._records(text, kind, each))]

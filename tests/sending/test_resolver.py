"""One look-up per host at a time, none of them waited for beyond the deadline."""

import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import pytest

from dispatcher.sending.resolver import Resolver, look_up

LOOPBACK = (ip_address("127.0.0.1"),)


def test_requests_for_one_host_share_its_look_up():
    begun, go_on, calls = threading.Event(), threading.Event(), []

    def slow(host):
        calls.append(host)
        begun.set()
        go_on.wait(5)
        return LOOPBACK

    resolver = Resolver(slow)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(resolver.resolve, "a.example", 5) for _ in range(8)]
        begun.wait(5)
        while resolver._waiting.qsize():
            pass
        go_on.set()
        assert {future.result() for future in futures} == {LOOPBACK}
    assert len(calls) < 8


def test_a_host_that_hangs_does_not_hold_up_another():
    never = threading.Event()

    def hang_for_a(host):
        if host == "a":
            never.wait(5)
        return LOOPBACK

    resolver = Resolver(hang_for_a)
    with pytest.raises(TimeoutError):
        resolver.resolve("a", 0.05)
    assert resolver.resolve("b", 5) == LOOPBACK
    never.set()


def test_a_host_is_looked_up_anew_once_the_last_look_up_is_done():
    answers = [LOOPBACK, (ip_address("::1"),)]
    resolver = Resolver(lambda host: answers.pop(0))
    assert resolver.resolve("a", 5) != resolver.resolve("a", 5)


def test_the_system_resolver_knows_localhost():
    assert look_up("localhost")[0].is_loopback

"""Which URLs, addresses and headers a webhook may have."""

from ipaddress import ip_address, ip_network

import pytest

from dispatcher.sending.endpoint import parse
from dispatcher.sending.policy import (
    SendPolicy,
    address_refusal,
    header_refusal,
    refusal,
)

STRICT = SendPolicy()
LENIENT = SendPolicy(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"),))
EVERYTHING = SendPolicy(
    allowed_networks=(ip_network("0.0.0.0/0"), ip_network("::/0")),
)

PUBLIC = """
1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.1
192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.254
2606:4700:4700::1111 2001:4860:4860::8888 2001:200::1 2a00:1450:4001:81a::200e
::ffff:8.8.8.8 64:ff9b::8.8.8.8
"""

METADATA = """
169.254.169.254 168.63.129.16 169.254.170.2 100.100.100.200 192.0.0.192 fd00:ec2::254
::ffff:169.254.169.254 ::169.254.169.254 ::ffff:0:169.254.169.254
64:ff9b::169.254.169.254 64:ff9b:1::169.254.169.254 64:ff9b:1:a9fe:a9:fe00::
2002:a9fe:a9fe::1 fe80::5efe:169.254.169.254 2606:4700::200:5efe:168.63.129.16
::ffff:168.63.129.16 2001:0:a9fe:a9fe::1 2001:0:808:808::5601:5601 fe80::a9fe:a9fe
fe80::a9fe:a9fe%eth0
"""

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255
169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.170 192.0.2.1
192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::8.8.8.8 ::ffff:127.0.0.1
::ffff:10.0.0.1 ::ffff:0:7f00:1 ::ffff:0:8.8.8.8 ::5efe:7f00:1
2606:4700::5efe:10.0.0.1 2606:4700::200:5efe:7f00:1 2002:7f00:1::1 2002:a00:1::
64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b:1::1 64:ff9b:1::10.0.0.1 64:ff9b:1::8.8.8.8
2001::1 2001:0:808:808::1 2001:db8::1 3fff::1 100::1 fc00::1 fd12:3456::1 fe80::1
fe80::1%eth0 fec0::1 ff02::1 ff0e::1 4000::1 5f00::1
"""


@pytest.mark.parametrize("text", PUBLIC.split())
def test_public_addresses_may_be_reached(text):
    assert address_refusal(ip_address(text), STRICT) is None


@pytest.mark.parametrize("text", (NOT_PUBLIC + METADATA).split())
def test_addresses_that_are_not_public_are_refused(text):
    assert address_refusal(ip_address(text), STRICT)


@pytest.mark.parametrize("text", METADATA.split())
def test_metadata_addresses_are_refused_whatever_is_allowed(text):
    reason = address_refusal(ip_address(text), EVERYTHING)
    assert reason == "a cloud metadata address"


@pytest.mark.parametrize("text", NOT_PUBLIC.split())
def test_listed_networks_admit_what_is_not_public(text):
    assert address_refusal(ip_address(text), EVERYTHING) is None


@pytest.mark.parametrize(
    ("text", "admitted"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::1", False),
        ("10.0.0.1", False),
        ("2002:7f00:1::1", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_a_listed_network_admits_itself_and_no_other(text, admitted):
    assert (address_refusal(ip_address(text), LENIENT) is None) is admitted


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/",
        "https://hooks.example",
        "HTTPS://Hooks.Example:8443/a/b?c=d&e=%20#part",
        "https://b\u00fccher.example/\u00e4?\u00f6=1",
        "https://xn--bcher-kva.example/",
        "https://hooks_1.example./x",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]:444/",
    ],
)
def test_a_clean_https_url_may_be_saved(url):
    assert refusal(url, STRICT) is None


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://hooks.example/", "https://"),
        ("ftp://hooks.example/", "https://"),
        ("hooks.example/x", "https://"),
        ("//hooks.example/x", "https://"),
        ("javascript:alert(1)", "https://"),
        ("", "https://"),
        ("https://", "host"),
        ("https:///path", "host"),
        ("https://:443/", "host"),
        ("https://user@hooks.example/", "user name"),
        ("https://user:pw@hooks.example/", "user name"),
        ("https://a\\@b/", "backslash"),
        ("https://hooks.example\\x/", "backslash"),
        (" https://hooks.example/", "spaces"),
        ("https://hooks.example/a b", "spaces"),
        ("https://hooks.example/\r\nX: y", "control"),
        ("https://hooks.ex\tample/", "control"),
        ("https://hooks.example/\x00", "control"),
        ("https://hooks.example/\u200b", "control"),
        ("https://hooks.example/\ud800", "control"),
        ("https://hooks.example\u3000/", "spaces"),
        ("https://hooks.example:0/", "port"),
        ("https://hooks.example:/", "port"),
        ("https://hooks.example:65536/", "port"),
        ("https://hooks.example:http/", "port"),
        ("https://hooks..example/", "host"),
        ("https://hooks%2eexample/", "host"),
        ("https://-hooks.example/", "host"),
        ("https://" + "a" * 64 + ".example/", "host"),
        ("https://" + "a." * 140 + "example/", "host"),
        ("https://[::1/", "host"),
        ("https://[fe80::1%25eth0]/", "IPv6"),
        ("https://[v1.x]/", "host"),
        ("https://\u2100.example/", "host"),
        ("https://127.0.0.1/", "loopback"),
        ("https://127.1/", "loopback"),
        ("https://2130706433/", "loopback"),
        ("https://0x7f000001/", "loopback"),
        ("https://0177.0.0.1/", "loopback"),
        ("https://\u2460\u2461\u2466.0.0.1/", "loopback"),
        ("https://[::1]/", "loopback"),
        ("https://[::ffff:127.0.0.1]/", "loopback"),
        ("https://localhost/", "loopback"),
        ("https://x.localhost./", "loopback"),
        ("https://10.0.0.1/", "public"),
        ("https://169.254.169.254/latest", "metadata"),
    ],
)
def test_any_other_url_is_refused_with_its_reason(url, word):
    assert word in str(refusal(url, STRICT))


def test_a_host_name_in_other_letters_is_the_one_that_browsers_go_to():
    # The older IDNA of the standard library would go to strasse.example.
    assert parse("https://STRA\u00dfE.example/").host == "xn--strae-oqa.example"


@pytest.mark.parametrize(
    "url", ["http://hooks.example/", "http://127.0.0.1:80/", "http://localhost/"]
)
def test_what_the_operator_allows_may_be_saved(url):
    assert refusal(url, LENIENT) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-api-key", "k3y"),
        ("Authorization", "Bearer a.b.c"),
        ("X-Name", "J\u00f6rg \u2713"),
        ("X-Tab", "a\tb"),
        ("X-Empty", ""),
    ],
)
def test_a_webhook_may_have_headers_of_its_own(name, value):
    assert header_refusal(name, value) is None


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Content-Type",
        "User-Agent",
        "Expect",
        "webhook-id",
        "Webhook-Timestamp",
        "webhook-signature",
        "cdrhook-test",
        "CDRhook-anything",
        "X-Spark-Signature",
    ],
)
def test_headers_that_cdrhook_sets_are_refused(name):
    assert "is set by cdrhook itself" in str(header_refusal(name, "x"))


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "\u00e4", "a\0", "(x)"])
def test_a_header_name_is_a_token(name):
    assert "A header name" in str(header_refusal(name, "x"))


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0b", "\x7f", "\ud800"])
def test_a_header_value_has_no_control_characters(value):
    assert "control characters" in str(header_refusal("X-A", value))


def test_a_header_value_is_not_longer_than_4_kib():
    assert "longer" in str(header_refusal("X-A", "a" * 4097))

"""The published ways to have a server call itself, its network or its cloud."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final

from dispatcher.sending.policy import SendPolicy

# Plain http is allowed, so that nothing is refused for that alone.
STRICT: Final = SendPolicy(allow_http=True)
EVERYTHING: Final = SendPolicy(
    allow_http=True, allowed_networks=(ip_network("0.0.0.0/0"), ip_network("::/0"))
)

# URLs, and a word of the reason why each is refused.
_LOOPBACK: Final = """
http://127.0.0.1/ http://127.0.0.1./ http://127.1/ http://127.0.1/ http://127.127.127.127/
http://0177.0.0.1/ http://0177.1/ http://00000177.0.0.1/ http://017700000001/
http://0x7f.0.0.1/ http://0x7f.1/ http://0x7f000001/ http://0X7F000001/ http://2130706433/
http://127.0.0x1/ http://0x7f.0.01/
http://\uff11\uff12\uff17.0.0.1/ http://\uff12\uff11\uff13\uff10\uff17\uff10\uff16\uff14\uff13\uff13/
http://127\u30020\u30020\u30021/ http://127\uff0e0\uff0e0\uff0e1/ http://127\uff610\uff610\uff611/
http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/ http://\u00b9\u00b2\u2077.0.0.1/
http://\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1/ http://0\u21797f.1/
http://[::1]/ http://[0:0:0:0:0:0:0:1]/ http://[0000::0001]/ http://[::ffff:127.0.0.1]/
http://[::ffff:7f00:1]/ http://[0:0:0:0:0:ffff:127.0.0.1]/
http://localhost/ http://LOCALHOST/ http://localhost./ http://a.localhost/
http://127.0.0.1.localhost/ http://localhost.localdomain/ http://ip6-localhost/
http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54/ http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/
http://local\u017fost.localhost/ http://localho\ufb06/
http://127.0.0.1#@hooks.example/ http://127.0.0.1?@hooks.example/
http://127.0.0.1/@hooks.example/ http://127.0.0.1:8080/ http://127.0.0.1:80#.hooks.example/
"""
LOOPBACK: Final = _LOOPBACK.split()
_METADATA: Final = """
http://169.254.169.254/latest/meta-data/ http://169.254.169.254./ http://2852039166/
http://0xa9fea9fe/ http://0xa9.0xfe.0xa9.0xfe/ http://0251.0376.0251.0376/
http://0251.254.169.254/ http://169.254.43518/ http://169.16689662/
http://169\u3002254\u3002169\u3002254/ http://\uff11\uff16\uff19.254.169.254/
http://169.254.169.253/ http://169.254.170.2/v2/credentials http://169.254.170.23/
http://169.254.42.42/ http://169.254.0.23/ http://168.63.129.16/ http://0xa83f8110/
http://100.100.100.200/latest/meta-data/ http://192.0.0.192/latest/
http://[fd00:ec2::254]/ http://[fd00:ec2::23]/ http://[fd20:ce::254]/ http://[fe80::a9fe:a9fe]/
http://[::ffff:169.254.169.254]/ http://[::ffff:a9fe:a9fe]/ http://[::a9fe:a9fe]/
http://[::ffff:0:a9fe:a9fe]/ http://[64:ff9b::a9fe:a9fe]/ http://[64:ff9b:1::a9fe:a9fe]/
http://[2002:a9fe:a9fe::]/ http://[2001:0:a9fe:a9fe::1]/ http://[fe80::5efe:a9fe:a9fe]/
http://metadata.google.internal/ http://metadata.google.internal./ http://metadata/
"""
METADATA: Final = _METADATA.split()
_NOT_PUBLIC: Final = """
http://0/ http://0.0.0.0/ http://0x0/ http://00000000/ http://0.0.0.1/ http://[::]/
http://10.0.0.1/ http://10.1/ http://012.0.0.1/ http://0xa.1/ http://167772161/
http://172.16.0.1/ http://172.31.255.254/ http://192.168.0.1/ http://0300.0250.0.1/
http://192.168.257/ http://3232235777/ http://100.64.0.1/ http://100.127.255.254/
http://192.0.0.1/ http://192.0.2.1/ http://198.51.100.7/ http://203.0.113.9/
http://198.18.0.1/ http://198.19.255.254/ http://192.88.99.1/ http://240.0.0.1/
http://255.255.255.255/ http://4294967295/ http://[2001:db8::1]/ http://[3fff::1]/
http://[::7f00:1]/ http://[::127.0.0.1]/ http://[::ffff:0:7f00:1]/ http://[::5efe:7f00:1]/
http://[::ffff:10.0.0.1]/ http://[64:ff9b::10.0.0.1]/ http://[64:ff9b:1::7f00:1]/
http://[2002:7f00:1::]/ http://[2002:7f00:1::1]/ http://[2002:a00:1::]/ http://[2002:808:808::1]/
http://[2001:0:53aa:64c:0:7fff:80ff:fffe]/ http://[2001::1]/ http://[2606:4700::5efe:a00:1]/
http://[2606:4700::200:5efe:a00:1]/ http://[fc00::1]/ http://[fd12:3456:789a::1]/
http://[fec0::1]/ http://[feff::1]/ http://[100::1]/ http://[5f00::1]/ http://[4000::1]/
"""
NOT_PUBLIC: Final = _NOT_PUBLIC.split()
OTHER_KINDS: Final = [
    ("http://169.254.1.1/", "link-local"),
    ("http://[fe80::1]/", "link-local"),
    ("http://[64:ff9b::7f00:1]/", "loopback"),
    ("http://224.0.0.1/", "multicast"),
    ("http://239.255.255.250:1900/", "multicast"),
    ("http://[ff02::1]/", "multicast"),
    ("http://[fe80::1%25eth0]/", "IPv6"),
    ("http://[fe80::1%eth0]/", "IPv6"),
    ("http://256.0.0.1/", "IPv4"),
    ("http://127.0.0.1.1/", "IPv4"),
    ("http://0x100000000/", "IPv4"),
    ("http://4294967296/", "IPv4"),
    ("http://08.0.0.1/", "IPv4"),
    ("http://hooks.example.0x7f/", "IPv4"),
]
TEXTS: Final = [
    ("http://a\\@b/", "backslash"),
    ("http://hooks.example\\@127.0.0.1/", "backslash"),
    ("http:\\\\127.0.0.1\\", "backslash"),
    ("http://hooks.example@127.0.0.1/", "user name"),
    ("http://user:password@hooks.example/", "user name"),
    ("http://127.0.0.1:80@hooks.example/", "user name"),
    ("http://hooks.example:80@127.0.0.1/", "user name"),
    ("http://hooks.example%40127.0.0.1/", "host"),
    ("http://%31%32%37.0.0.1/", "host"),
    ("http://127%2e0%2e0%2e1/", "host"),
    ("http://127.0.0.1%00.hooks.example/", "host"),
    ("http://127.0.0.1%0d%0aX:y/", "host"),
    ("http://127.0.0.1%23.hooks.example/", "host"),
    ("http://127.0.0.1,hooks.example/", "host"),
    ("http://127.0.0.1;hooks.example/", "host"),
    ("http://hooks.example&127.0.0.1/", "host"),
    ("http://127.0.0.1|hooks.example/", "host"),
    ("http://{127.0.0.1}/", "host"),
    ("http://[127.0.0.1]/", "host"),
    ("http://[::1].hooks.example/", "host"),
    ("http://hooks.example:80[::1]/", "host"),
    ("http://[::1/", "host"),
    ("http://::1/", "host"),
    ("http:///127.0.0.1/", "host"),
    ("http:127.0.0.1/", "host"),
    ("http:/127.0.0.1/", "host"),
    ("http://.127.0.0.1/", "host"),
    ("http://127..0.0.1/", "host"),
    ("http://hooks..example/", "host"),
    ("http://hooks.example../", "host"),
    ("http://hooks\u2024example\u2025/", "host"),
    ("http://\u0440\u0430ypal\u2044.example/", "host"),
    ("http://a\u2215b.example/", "host"),
    ("http://127.0.0.1\n.hooks.example/", "control"),
    ("http://hooks.example/\r\nHost: 127.0.0.1", "control"),
    ("http://127.0.\t0.1/", "control"),
    ("\thttp://127.0.0.1/", "control"),
    ("http://127.0.0.1\0.hooks.example/", "control"),
    ("http://127\u200b.0.0.1/", "control"),
    ("http://127\u00ad.0.0.1/", "control"),
    ("http://\u202e1.0.0.721/", "control"),
    (" http://127.0.0.1/", "spaces"),
    ("http://127.0.0.1 hooks.example/", "spaces"),
    ("http://127.0.0.1\u00a0/", "spaces"),
    ("http://hooks.example\u2028/", "spaces"),
    ("//127.0.0.1/", "must begin"),
    ("file:///etc/passwd", "must begin"),
    ("gopher://127.0.0.1:6379/_FLUSHALL", "must begin"),
    ("dict://127.0.0.1:11211/stat", "must begin"),
    ("ftp://127.0.0.1/", "must begin"),
    ("ldap://127.0.0.1/", "must begin"),
    ("unix:///var/run/docker.sock", "must begin"),
    ("http+unix://%2fvar%2frun%2fdocker.sock/", "must begin"),
    ("jar:http://127.0.0.1!/", "must begin"),
    ("data:text/plain,x", "must begin"),
    ("javascript:alert(1)", "must begin"),
    ("url:http://127.0.0.1/", "must begin"),
]
PORTS: Final = [
    *((f"http://hooks.example:{port}/", "port") for port in ("", 0, 65536, -1, "http")),
    *(
        (f"http://hooks.example:{port}/", "another service")
        for port in (21, 22, 23, 25, 53, 110, 143, 465, 587, 2049, 5060, 6379, 11211)
    ),
    ("http://hooks.example:80:25/", "port"),
    ("http://hooks.example:\uff12\uff12/", "port"),
    ("http://hooks.example:+80/", "port"),
    ("http://hooks.example:8_0/", "port"),
]
REFUSED: Final = [
    *((url, "loopback") for url in LOOPBACK),
    *((url, "metadata") for url in METADATA),
    *((url, "not a public address") for url in NOT_PUBLIC),
    *OTHER_KINDS,
    *TEXTS,
    *PORTS,
]

# Must stay allowed: URL, and the address (if it is one) and port that it leads to.
ALLOWED: Final = [
    ("https://hooks.example/", "", 443),
    ("https://hooks.example./", "", 443),
    ("https://127.0.0.1.hooks.example/", "", 443),
    ("https://localhost.hooks.example/", "", 443),
    ("https://mylocalhost/", "", 443),
    ("https://0x7f.hooks.example/", "", 443),
    ("https://hooks.example/http://127.0.0.1/@x", "", 443),
    ("https://hooks.example?url=http://127.0.0.1", "", 443),
    ("https://hooks.example#@127.0.0.1/", "", 443),
    ("https://xn--bcher-kva.example:8443/", "", 8443),
    ("https://b\u00fccher.example/", "", 443),
    ("http://hooks.example:8080/", "", 8080),
    ("http://hooks.example:65535/", "", 65535),
    ("https://8.8.8.8/", "8.8.8.8", 443),
    ("https://1.1/", "1.0.0.1", 443),
    ("https://134744072:444/", "8.8.8.8", 444),
    ("http://93.184.215.14:80/", "93.184.215.14", 80),
    ("http://100.63.255.255/", "100.63.255.255", 80),
    ("http://100.128.0.1/", "100.128.0.1", 80),
    ("http://172.15.255.255/", "172.15.255.255", 80),
    ("http://172.32.0.1/", "172.32.0.1", 80),
    ("http://192.167.1.1/", "192.167.1.1", 80),
    ("http://198.17.255.255/", "198.17.255.255", 80),
    ("http://223.255.255.254/", "223.255.255.254", 80),
    ("http://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 80),
    ("https://[2a00:1450:4001:81a::200e]:8443/", "2a00:1450:4001:81a::200e", 8443),
    ("https://[2001:4860:4860::8888]/", "2001:4860:4860::8888", 443),
    ("https://[::ffff:8.8.8.8]/", "::ffff:808:808", 443),
    ("https://[64:ff9b::808:808]/", "64:ff9b::808:808", 443),
]

"""The way out: which addresses are reachable, and that a call goes to what was judged."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as some

from config.core.egress_calls import Answer, Egress, EgressFailed, EgressRefused
from config.core.egress_rules import (
    METADATA,
    Rules,
    UrlInvalid,
    is_public,
    parse_url,
)
from tests.deliveries.delivery.receiver import receiving

ANY_V4 = some.integers(0, 2**32 - 1).map(IPv4Address)
PRIVATE = some.sampled_from(
    ["10.0.0.0", "127.0.0.0", "169.254.0.0", "192.168.0.0", "100.64.0.0", "0.0.0.0", "224.0.0.0"]
).flatmap(lambda first: some.integers(0, 65535).map(lambda n: IPv4Address(first) + n))
NAMED = Rules.parse(["partner.example", ".hospital.example:8443"])


def _answers(egress: Egress, url: str, *, seconds: float = 30.0, most: int = 10_000) -> Answer:
    return egress.post(url, body=b"{}", headers={}, timeout_seconds=seconds, max_bytes=most)


@given(address=PRIVATE)
def test_no_name_leads_to_a_private_address_in_any_spelling(address: IPv4Address) -> None:
    number = int(address)
    spellings: list[IPv4Address | IPv6Address] = [
        address,
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(number),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
    ]
    for spelling in spellings:
        assert not is_public(spelling), spelling
        assert not NAMED.may_reach(host="partner.example", address=spelling, port=80)


@given(address=ANY_V4)
def test_a_mapped_address_is_judged_as_what_it_maps(address: IPv4Address) -> None:
    mapped = IPv6Address(0xFFFF << 32 | int(address))
    listed = Rules.parse(["10.0.0.0/8"])
    for rules in (NAMED, listed):
        judged = {
            rules.may_reach(host="partner.example", address=each, port=80)
            for each in (address, mapped)
        }
        assert len(judged) == 1


@given(address=ANY_V4)
def test_a_network_opens_its_own_addresses_and_no_other(address: IPv4Address) -> None:
    rules = Rules.parse(["10.20.0.0/16:8080"])
    inside = int(address) >> 16 == 10 << 8 | 20
    assert rules.may_reach(host="x.example", address=address, port=8080) == inside
    assert not rules.may_reach(host="x.example", address=address, port=80)


@given(number=some.integers(0, 2**32 - 1))
def test_a_host_has_one_spelling(number: int) -> None:
    address = IPv4Address(number)
    a, b, c, d = str(address).split(".")
    assert parse_url(f"http://{address}/").host == str(address)
    others = {
        str(number), hex(number), f"0x{number:08x}", f"{a}.{int(b) << 16 | int(c) << 8 | int(d)}",
        f"{hex(int(a))}.{b}.{c}.{d}", f"0{int(a):o}.{b}.{c}.{d}", f"{a}.{b}.{c}.0x{int(d):x}",
    } - {str(address)}  # fmt: skip
    for other in others:
        with pytest.raises(UrlInvalid):
            parse_url(f"http://{other}/")


@given(text=some.text(max_size=60))
def test_what_is_no_address_is_refused_and_nothing_breaks(text: str) -> None:
    for url in (text, f"http://{text}", f"http://partner.example/{text}"):
        try:
            target = parse_url(url)
        except UrlInvalid:
            continue
        assert target.host.isascii() and target.path.isascii() and 0 < target.port < 65536
        assert "@" not in target.netloc and "#" not in target.path


@pytest.mark.parametrize(
    "url",
    [
        "ftp://partner.example/", "http://user@partner.example/", "http://partner.example:0/",
        "http://partner.example:99999/", "http://partner.example/#x", "http://partner.example\\@x/",
        "http://[fe80::1%25eth0]/", "http://pärtner.example/", "http:///x", "//partner.example/",
        "http://partner.example/a b", "http://partner..example/", "http://127.1/",
    ],
)  # fmt: skip
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        Egress(NAMED).require_callable(url)


def test_names_and_ports_are_listed_exactly() -> None:
    public = ip_address("93.184.216.34")
    may = {
        ("partner.example", 80): True,
        ("a.partner.example", 80): False,
        ("evilpartner.example", 80): False,
        ("a.hospital.example", 8443): True,
        ("a.b.hospital.example", 8443): True,
        ("a.hospital.example", 443): False,
        ("hospital.example", 8443): False,
    }
    for (host, port), expected in may.items():
        assert NAMED.may_reach(host=host, address=public, port=port) is expected, host


def test_metadata_addresses_need_to_be_named_one_by_one() -> None:
    for address in METADATA:
        wide = Rules.parse(["0.0.0.0/0", "::/0", "meta.example"])
        assert not wide.may_reach(host="meta.example", address=address, port=80)
        assert Rules.parse([str(address)]).may_reach(host="x", address=address, port=80)


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "http://x", "a b", "10.0.0.0/8:0", "", "[::1"])
def test_a_wrong_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Rules.parse([entry])


def test_the_name_is_resolved_once_and_the_judged_address_is_called() -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[IPv4Address]:
        """A server that tells a public address first and this machine's afterwards."""
        asked.append(host)
        return [IPv4Address("192.0.2.1" if len(asked) > 1 else "127.0.0.1")]

    with receiving() as receiver:
        egress = Egress(Rules.parse(["127.0.0.1"]), resolve=rebinding)
        answer = _answers(egress, f"http://partner.example:{receiver.port}/x")
        assert answer.is_success and asked == ["partner.example"]
        assert receiver.got[0].headers["host"] == f"partner.example:{receiver.port}"
        private = Egress(NAMED, resolve=lambda host, port: [IPv4Address("127.0.0.1")])
        with pytest.raises(EgressRefused):
            _answers(private, f"http://partner.example:{receiver.port}/x")
        assert len(receiver.got) == 1, "what is refused is never connected to"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with receiving() as receiver:
        receiver.statuses = [302]
        receiver.headers = {"Location": f"{receiver.url}/inside"}
        answer = _answers(Egress(Rules.parse(["127.0.0.1"])), f"{receiver.url}/x")
        assert (answer.status, answer.is_success) == (302, False)
        assert [got.path for got in receiver.got] == ["/x"]


def test_too_much_is_not_read() -> None:
    with receiving() as receiver:
        receiver.answer = b"x" * 5000
        egress = Egress(Rules.parse(["127.0.0.1"]))
        assert len(_answers(egress, receiver.url, most=5000).body) == 5000
        with pytest.raises(EgressFailed, match="more than 4999 bytes"):
            _answers(egress, receiver.url, most=4999)


@contextmanager
def _serving(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """One connection that is handled by ``talk``; the port."""
    ending = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                talk(connection, ending)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ending.set()
            thread.join(5)


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_who_drips_is_cut_off_at_the_deadline(first: bytes) -> None:
    def drip(connection: socket.socket, ending: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(first)
        try:
            while not ending.wait(0.05):
                connection.sendall(b"x")
        except OSError:
            return

    with _serving(drip) as port, pytest.raises(EgressFailed, match=r"within 0\.5 s"):
        _answers(Egress(Rules.parse(["127.0.0.1"])), f"http://127.0.0.1:{port}/", seconds=0.5)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of ``partner.example`` and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("partner.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret


@pytest.mark.parametrize(("host", "is_taken"), [("partner.example", True), ("a.example", False)])
def test_tls_is_verified_against_the_name(
    identity: tuple[Path, Path], host: str, is_taken: bool
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*identity)

    def talk(connection: socket.socket, ending: threading.Event) -> None:
        try:
            with server.wrap_socket(connection, server_side=True) as secure:
                asked = b""
                while not asked.endswith(b"{}"):
                    asked += secure.recv(65536)
                secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        except OSError:
            return

    egress = Egress(
        Rules.parse(["127.0.0.1"]),
        resolve=lambda host, port: [IPv4Address("127.0.0.1")],
        tls=ssl.create_default_context(cafile=str(identity[0])),
    )
    with _serving(talk) as port:
        if is_taken:
            assert _answers(egress, f"https://{host}:{port}/").status == 204
        else:
            with pytest.raises(EgressFailed, match="certificate"):
                _answers(egress, f"https://{host}:{port}/")


def test_nothing_is_reachable_where_nothing_is_listed() -> None:
    with pytest.raises(EgressRefused):
        Egress(Rules.parse([])).require_callable("https://partner.example/")

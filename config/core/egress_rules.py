"""Which addresses outgoing calls may reach: pure rules over URLs, names and numbers.

Nothing is reachable but what is listed. A listed name is reachable at public addresses only, so
that whoever answers for the name can't lead a call into the hospital's own network; a private
address is reachable only where its network is listed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_LETTERS = 2048
MAX_HOST_LETTERS = 253
MAX_PORT = 65535
DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>[/?][\x21-\x7e]*)?",
    re.IGNORECASE | re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What a resolver of the C library would read as a number, in one of its many spellings.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ENTRY = re.compile(r"(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>[0-9]{1,5}))?")
# Where clouds tell a machine its credentials; a network that holds one of them does not name it.
METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16",
                 "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)  # fmt: skip
# Public by their number, private by where they lead: relays and translators to IPv4.
_LEADING_ELSEWHERE: tuple[Network, ...] = (
    ip_network("192.88.99.0/24"),
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2002::/16"),
    ip_network("2001::/32"),
    ip_network("::/96"),
    ip_network("fec0::/10"),
)


class UrlInvalid(ValueError):
    """The address is malformed; the text says where, and never repeats what was typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL that was taken apart; ``host`` without brackets, ``path`` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """The address, where the URL names one and no name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def parse_url(url: str) -> Target:
    """Take a URL apart, accepting exactly one spelling of each address.

    Raises:
        UrlInvalid: another scheme, a user name, a fragment, a character outside ASCII, a port out
            of range, or a number that is no dotted decimal (``2130706433``, ``0x7f.1``, ``127.1``).
    """
    match = _URL.fullmatch(url) if len(url) <= MAX_URL_LETTERS else None
    if match is None or "#" in url or "\\" in url:
        raise UrlInvalid("it is no http:// or https:// address in plain ASCII without a user name")
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port <= MAX_PORT:
        raise UrlInvalid(f"its port is not between 1 and {MAX_PORT}")
    path = match["path"] or "/"
    return Target(
        scheme=scheme,
        host=canonical_host(match["host"]),
        port=port,
        path=path if path.startswith("/") else f"/{path}",
    )


def canonical_host(text: str) -> str:
    """The host in lower case without brackets and final dot.

    Raises:
        UrlInvalid: it is neither a name nor an address in its usual spelling.
    """
    host = text.lower()
    if host.startswith("["):
        try:
            return str(IPv6Address(host[1:-1]))
        except ValueError:
            raise UrlInvalid("what stands in brackets is no IPv6 address") from None
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise UrlInvalid("its host is a number that is no dotted decimal address") from None
    if len(host) > MAX_HOST_LETTERS or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlInvalid("its host is no name that could be looked up")
    return host


def canonical(address: Address) -> Address:
    """The IPv4 address that an IPv6 socket would call it by; others as they are."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet's, and leads nowhere else."""
    address = canonical(address)
    return (
        address.is_global
        and not address.is_private
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not address.is_loopback
        and not address.is_link_local
        and address not in METADATA
        and not any(address in network for network in _LEADING_ELSEWHERE)
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """Listed names and networks, each for one port or (None) for all."""

    names: frozenset[tuple[str, int | None]]
    networks: tuple[tuple[Network, int | None], ...]

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "Rules":
        """Rules from ``host``, ``.domain``, ``10.1.0.0/16``, ``[::1]``, each with ``:port`` or not.

        Raises:
            ValueError: naming the entry that is none of these.
        """
        names, networks = set(), []
        for entry in entries:
            host, port = _split(entry.strip().lower())
            network = _network(host)
            if network is not None:
                networks.append((network, port))
                continue
            try:
                name = canonical_host(host.removeprefix("."))
            except UrlInvalid as error:
                raise ValueError(f"{entry!r}: {error}") from None
            names.add((f".{name}" if host.startswith(".") else name, port))
        return cls(frozenset(names), tuple(networks))

    def may_reach(self, *, host: str, address: Address, port: int) -> bool:
        """Whether a call to ``host`` may be made at ``address``."""
        if self._is_listed_number(address, port):
            return True
        return self.is_listed_name(host, port) and is_public(address)

    def could_reach(self, target: Target) -> bool:
        """Whether a call could be allowed, as far as that is known before its name is resolved."""
        address = target.address
        if address is not None:
            return self.may_reach(host=target.host, address=address, port=target.port)
        if self.is_listed_name(target.host, target.port):
            return True
        return any(port in (None, target.port) for _, port in self.networks)

    def is_listed_name(self, host: str, port: int) -> bool:
        """Whether a name, or a domain above it, is listed for this port."""
        labels = host.split(".")
        above = (f".{'.'.join(labels[index:])}" for index in range(1, len(labels)))
        return any(
            (name, listed) in self.names for name in (host, *above) for listed in (None, port)
        )

    def _is_listed_number(self, address: Address, port: int) -> bool:
        address = canonical(address)
        return any(
            address in network and (address not in METADATA or network.num_addresses == 1)
            for network, listed in self.networks
            if listed in (None, port)
        )


def _split(entry: str) -> tuple[str, int | None]:
    if entry.count(":") > 1 and not entry.startswith("["):
        return entry, None
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError(f"{entry!r} is neither a host nor a network")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port <= MAX_PORT:
        raise ValueError(f"{entry!r}: its port is not between 1 and {MAX_PORT}")
    return match["host"].strip("[]"), port


def _network(text: str) -> Network | None:
    """The network or single address that ``text`` spells; None where it is a name.

    Raises:
        ValueError: it has the form of a network and is none.
    """
    try:
        return ip_network(text)
    except ValueError:
        if "/" in text or ":" in text:
            raise ValueError(f"{text!r} is no network; host bits must be 0") from None
        return None

"""Where on the web something lies: origins, and whether an address is public.

A name counts for what it resolves to, so a public name that points to this machine is refused.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from envs.browser_tab import origin_of
from envs.errors import EnvError, Refused, UserError, clip, one_line

Kind = Literal["public", "loopback", "private", "never"]
"""`never`: link-local, multicast, unspecified, reserved."""
Resolve = Callable[[str, int], Sequence[str]]
"""From host and port to addresses; raises `OSError` where there are none."""

URL_MOST = 2000
"""Characters of an address."""
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)
_WITHIN = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as those of a translator (NAT64)."""


class Place(NamedTuple):
    """Host and port."""

    host: str
    port: int


def origin_in(url: str) -> str:
    """The origin of an http address, spelled in one way; empty for anything else.

    >>> origin_in("HTTPS://Example.org/a?b"), origin_in("http://[::1]:80"), origin_in("file:///a")
    ('https://example.org', 'http://[::1]', '')
    """
    if len(url) > URL_MOST or not url.isprintable() or any(one in url for one in " \\*"):
        return ""
    found = origin_of(url)
    if not found or "@" in url.split("/")[2]:
        return ""
    scheme, _, rest = found.partition("://")
    host, _, port = rest.rpartition(":")
    try:
        host = host.encode("idna").decode().lower() if ":" not in host else f"[{host}]"
    except UnicodeError:
        return ""
    usual = {"http": "80", "https": "443"}[scheme]
    return f"{scheme}://{host}" + ("" if port == usual else f":{port}")


def place_of(origin: str) -> Place:
    """Host and port of an origin as `origin_in` writes it."""
    scheme, _, rest = origin.partition("://")
    host, colon, port = rest.rpartition(":")
    if not colon or "]" in port:
        host, port = rest, {"http": "80", "https": "443"}[scheme]
    return Place(host.strip("[]"), int(port))


def kind_of(address: str) -> Kind:
    """What an IP address is.

    >>> [kind_of(a) for a in ("1.1.1.1", "::ffff:127.0.0.1", "10.1.2.3", "169.254.169.254")]
    ['public', 'loopback', 'private', 'never']
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _WITHIN:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = inner or ip
    if ip.is_loopback:
        return "loopback"
    if any(ip in network for network in _PRIVATE if network.version == ip.version):
        return "private"
    return "public" if ip.is_global and not ip.is_multicast else "never"


def literal_kind(origin: str) -> Kind:
    """The kind of an origin that is written as an address or as localhost; names are public."""
    host = place_of(origin_in(origin)).host
    if host == "localhost" or host.endswith(".localhost"):
        return "loopback"
    try:
        return kind_of(host)
    except ValueError:
        return "public"


def resolved(host: str, port: int) -> Sequence[str]:
    """Addresses of a host, as this machine resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


class Atlas:
    """Which places may be gone to, and by which addresses."""

    def __init__(
        self,
        allow: Sequence[str],
        *,
        kinds: frozenset[Kind] = frozenset({"public"}),
        resolve: Resolve = resolved,
    ) -> None:
        self.origins = tuple(dict.fromkeys(map(origin_in, allow)))
        """Origins that are allowed."""
        self._places = {place_of(origin) for origin in self.origins}
        self._kinds = kinds
        self._resolve = resolve

    def check(self, url: str) -> None:
        """Raises `Refused` or `UserError` for what must not be opened, and for no address."""
        origin = origin_in(url)
        if not origin:
            raise UserError(
                f"{clip(one_line(url))!r} is no web address",
                repair="give one that begins with https:// or http://, without a name in it",
            )
        if origin not in self.origins:
            raise Refused(
                f"{origin} is not allowed",
                repair=f"allowed are {', '.join(self.origins)}; the user can allow more in the "
                "settings, [browsing] allow",
            )
        self.addresses(place_of(origin))

    def addresses(self, place: Place) -> Sequence[str]:
        """What to connect to for a place.

        Raises `Refused` where it is not allowed (one bad address of a name is enough), and
        `EnvError` where it is not found.
        """
        if place not in self._places:
            raise Refused(f"{place.host}:{place.port} is not allowed", repair="do without it")
        try:
            found = self._resolve(place.host, place.port)
        except (OSError, UnicodeError) as error:
            raise EnvError(
                f"{place.host} is not found", repair="check its spelling and the network"
            ) from error
        for one in found:
            kind = kind_of(one)
            if kind not in self._kinds:
                known = "no setting allows that" if kind == "never" else f"browsing.{kind} = true"
                raise Refused(
                    f"{place.host} leads to {one}, which is no public address",
                    repair=f"the user can allow it in the settings ({known})"
                    if kind != "never"
                    else known,
                )
        return found

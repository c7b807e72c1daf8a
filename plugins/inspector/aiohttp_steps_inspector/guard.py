"""Who may use the page: this machine alone, or who has the token; and never a page of somebody else.

Three ways in are closed. Other machines: the address of the peer counts, as headers say what their sender
likes. Names that are rebound to this machine: without a token only names of loopback are answered. Pages of
other origins in the user's browser: what changes something needs a header that they cannot send unasked.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import hdrs

if TYPE_CHECKING:
    from aiohttp import web

logger = logging.getLogger("aiohttp_steps")

COOKIE = "aiohttp_steps_inspector"
HEADER = "Steps-Inspector"
"""Must be there in requests that change something; pages of other origins cannot send it without asking."""

FORWARDED = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, hdrs.X_FORWARDED_HOST, "X-Real-IP", hdrs.VIA)
"""Headers that proxies add: behind one, the peer is the proxy and says nothing of the client."""

SHORT_TOKEN = 16
"""Characters below which a token is guessed sooner or later."""

BEARER = "bearer "


class Guard:
    """Decides on requests.

    Args:
        token: what clients have to know; `None`: only clients on this machine are answered.
    """

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else _to_bytes(token)
        if token is not None and len(token) < SHORT_TOKEN:
            logger.warning(
                "the inspector's token has %d characters; take at least %d, say of: "
                "python -c 'import secrets; print(secrets.token_urlsafe())'",
                len(token),
                SHORT_TOKEN,
            )

    @property
    def has_token(self) -> bool:
        """Whether clients log in."""
        return self._token is not None

    def refuse(self, request: web.Request) -> str | None:
        """Return why a request that needs no token is not answered at all, `None` if it is."""
        return None if self.has_token else _find_foreign(request)

    def refuse_change(self, request: web.Request) -> str | None:
        """Return why a request that changes something is not answered, `None` if it is."""
        if HEADER not in request.headers:
            return f"what changes something needs the header {HEADER}: 1, which this page sends by itself"
        return self.refuse_origin(request)

    def refuse_origin(self, request: web.Request) -> str | None:
        """Return why a request from a page is not answered: it is another origin's; `None` if it is ours."""
        for origin in request.headers.getall(hdrs.ORIGIN, []):
            if not _is_of(origin, request.headers.get(hdrs.HOST, "")):
                return f"pages of {origin!r} may not use the inspector"
        return None

    def knows(self, request: web.Request) -> bool:
        """Tell whether a request carries the token, or the cookie given for it; `True` if there is none."""
        if self._token is None:
            return True
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        if given[: len(BEARER)].lower() == BEARER and self.accepts(given[len(BEARER) :].strip()):
            return True
        cookie = request.cookies.get(COOKIE)
        return cookie is not None and _is_equal(_to_bytes(cookie), _to_bytes(self.cookie))

    def accepts(self, token: str) -> bool:
        """Tell whether this is the token."""
        return self._token is not None and _is_equal(_to_bytes(token), self._token)

    @property
    def cookie(self) -> str:
        """What a browser keeps in the token's place: it proves the token and does not tell it."""
        return hmac.new(self._token or b"", b"aiohttp-steps-inspector", hashlib.sha256).hexdigest()


def _is_equal(given: bytes, expected: bytes) -> bool:
    """Compare in constant time: digests, as the time of `compare_digest` tells the length."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())


def _to_bytes(text: str) -> bytes:
    # aiohttp reads bytes of headers that are no UTF-8 as surrogates.
    return text.encode("utf-8", "surrogateescape")


def _find_foreign(request: web.Request) -> str | None:
    """Return what shows that a request comes from elsewhere, and the remedy; `None` if nothing does."""
    if not _is_loopback_peer(request):
        return "only clients on this machine are answered; set a token to let others in"
    for header in FORWARDED:
        if header in request.headers:
            return f"the header {header} shows a proxy, behind which anybody may be; set a token to let it in"
    host = request.headers.get(hdrs.HOST, "")
    if not _is_loopback_name(host):
        return f"{host!r} is no name of this machine's own; use localhost, or set a token"
    return None


def _is_loopback_peer(request: web.Request) -> bool:
    """Tell whether the connection comes from this machine.

    That of a Unix socket does not count: what stands behind one is a proxy, as a rule.
    """
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return isinstance(peer, tuple) and _is_loopback_address(str(peer[0]))


def _is_loopback_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_loopback_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:  # a bracket that is not closed, say
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback_address(name)


def _is_of(origin: str, host: str) -> bool:
    """Tell whether an origin is that of the page; of the host alone, as a proxy may have taken TLS off."""
    try:
        return urlsplit(origin.lower()).netloc == host.lower() != ""
    except ValueError:
        return False

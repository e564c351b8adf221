"""Rules for single values: each function returns what is wrong and how to mend it, or None.

No text here repeats the value: one that is in the wrong place may be a key.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from packyproxy.config.secret import MASK

__all__ = [
    "Complaint",
    "check_base_url",
    "check_header_name",
    "check_header_value",
    "check_host",
    "check_key",
    "check_model",
    "check_name",
    "check_origin",
    "check_proxy_url",
    "is_own_address",
    "normalise_url",
]

Complaint = tuple[str, str]
"""What is wrong, how to mend it."""

_SHOWN: Final = re.compile(re.escape(MASK) + r"(?:.{4})?")
_VISIBLE: Final = re.compile(r"[!-~]+")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_HOST: Final = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?"
)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[!-~](?:[ -~\t]*[!-~])?|")
_LONGEST_MODEL: Final = 256
_ENDPOINTS: Final = ("/responses", "/chat/completions", "/messages")

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OWN_HEADERS: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that describe the connection: a fixed value breaks requests."""


def check_key(value: str) -> Complaint | None:
    """Judge a key that travels in an HTTP header.

    Who saves what was shown of a configuration would otherwise have keys that anybody can guess.
    """
    if _SHOWN.fullmatch(value):
        return "is what is shown of a key, and not the key", "write the key itself"
    if _VISIBLE.fullmatch(value):
        return None
    return (
        "holds blanks or characters that an HTTP header cannot carry",
        "copy the key again, without blanks around it",
    )


def check_name(value: str) -> Complaint | None:
    """Judge a provider's name, which stands in URLs and logs."""
    if _NAME.fullmatch(value):
        return None
    return (
        "not a usable name",
        "use up to 64 letters, digits, dots, underscores and hyphens, with a letter or digit at both ends",
    )


def check_model(value: str) -> Complaint | None:
    """Judge a model id, alias or glob."""
    if _VISIBLE.fullmatch(value) and len(value) <= _LONGEST_MODEL:
        return None
    return "not a model name", f"use up to {_LONGEST_MODEL} visible ASCII characters without blanks"


def check_host(value: str) -> Complaint | None:
    """Judge an address to listen on."""
    if _HOST.fullmatch(value):
        return None
    return "not a host name or IP address", "write a bare address such as 127.0.0.1, without http:// and port"


def check_base_url(value: str) -> Complaint | None:
    """Judge a provider's URL, to which ``/responses`` will be appended."""
    if complaint := _check_url(value):
        return complaint
    url = urlsplit(value)
    if url.username is not None or url.password is not None:
        return "holds a user name or password", "remove it and put the key into its own setting"
    if "?" in value or "#" in value:
        return "holds a query or fragment", "end the URL with its path, usually /v1"
    for endpoint in _ENDPOINTS:
        if url.path.rstrip("/").endswith(endpoint):
            return f"ends with {endpoint}", f"remove {endpoint}: it is added to each request"
    return None


def check_proxy_url(value: str) -> Complaint | None:
    """Judge the URL of an HTTP proxy; it may hold a user name and password."""
    if value.lower().startswith("socks"):
        return "SOCKS proxies are not supported", "use an HTTP proxy"
    return _check_url(value)


def check_origin(value: str) -> Complaint | None:
    """Judge an origin as browsers send it, or ``*``."""
    if value == "*":
        return None
    if complaint := _check_url(value):
        return complaint
    if urlsplit(value).path or "?" in value or "#" in value or "@" in value:
        return "not an origin", "write scheme, host and port only, such as https://app.example.com"
    return None


def check_header_name(value: str) -> Complaint | None:
    """Judge the name of a fixed upstream header."""
    if not _HEADER_NAME.fullmatch(value):
        return "not a header name", "use letters, digits and hyphens"
    if value.lower() == "authorization":
        return "authorization is made from the provider's key", "remove it and set the key"
    if value.lower() in _OWN_HEADERS:
        return "this header is set per request", "remove it"
    return None


def check_header_value(value: str) -> Complaint | None:
    """Judge the value of a fixed upstream header."""
    if _HEADER_VALUE.fullmatch(value):
        return None
    return (
        "holds characters that an HTTP header cannot carry",
        "use visible ASCII on one line, without blanks around",
    )


def is_own_address(base_url: str, port: object) -> bool:
    """Tell whether a valid URL leads to a proxy that listens here on ``port``, which would ask itself."""
    url = urlsplit(base_url)
    return url.hostname in _LOOPBACK and url.port == port


def normalise_url(value: str) -> str:
    """Return a checked URL with scheme and host in lower case and without trailing slashes."""
    url = urlsplit(value)
    return f"{url.scheme.lower()}://{url.netloc.lower()}{url.path.rstrip('/')}"


def _check_url(value: str) -> Complaint | None:
    if not _VISIBLE.fullmatch(value):
        return (
            "holds blanks or characters that a URL cannot carry",
            "write them percent-encoded, or remove them",
        )
    if not value.lower().startswith(("http://", "https://")):
        return "not an http(s) URL", "use https://" if "://" in value else "add https://"
    try:
        url = urlsplit(value)
        host, port = url.hostname, url.port
    except ValueError:
        return "its host or port cannot be read", "write it as https://host or https://host:port"
    if not host:
        return "has no host", "write it as https://host/v1"
    if port == 0 or not _HOST.fullmatch(host):
        return "its host or port cannot be read", "write it as https://host or https://host:port"
    return None

"""Whether the clients started in this environment would reach the proxy, and be let in; pure.

No value of a variable that may hold a key is shown, and of an address only host and port.
"""

from collections.abc import Iterator, Mapping
from hmac import compare_digest
from typing import Final, Literal
from urllib.parse import urlsplit

from packyproxy.cli.findings import Finding
from packyproxy.cli.server import is_loopback, local_url
from packyproxy.config import Config

__all__ = ["client_findings"]

_BASE_URL: Final = "ANTHROPIC_BASE_URL"
_TOKEN: Final = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the name of a variable
_API_KEY: Final = "ANTHROPIC_API_KEY"
_OPENAI_BASE_URL: Final = "OPENAI_BASE_URL"
_OPENAI_KEY: Final = "OPENAI_API_KEY"
_OPENAI_PATHS: Final = ("", "/v1")
_OTHER_WAYS: Final = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_HTTP_PROXIES: Final = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_OFF: Final = frozenset({"", "0", "false", "no", "off"})
_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing is bound here


def client_findings(environ: Mapping[str, str], config: Config) -> tuple[Finding, ...]:
    """Look at the variables that the clients of Anthropic and of OpenAI read.

    Args:
        environ: the environment.
        config: says where the proxy listens, and which keys it takes.
    """
    return (*_of_anthropic(environ, config), *_of_openai(environ, config))


def _of_anthropic(environ: Mapping[str, str], config: Config) -> tuple[Finding, ...]:
    base_url = environ.get(_BASE_URL, "").strip()
    url = local_url(config.host, config.port)
    if not base_url:
        text = f"not set: Claude Code, started here, does not use the proxy; export {_BASE_URL}={url}"
        return (Finding(mark="note", subject=_BASE_URL, text=text),)
    if not _leads_here(base_url, config):
        text = f"leads to {_place(base_url)}; this configuration listens on {_place(url)}"
        return (Finding(mark="note", subject=_BASE_URL, text=text),)
    return (
        _path(base_url, url),
        *_keys(environ, config),
        *_detours(environ, base_url),
    )


def _of_openai(environ: Mapping[str, str], config: Config) -> tuple[Finding, ...]:
    """Look at what OpenAI's clients would use; nothing is said of who has set nothing up."""
    base_url = environ.get(_OPENAI_BASE_URL, "").strip()
    if not (base_url and _leads_here(base_url, config)):
        return ()
    path = urlsplit(base_url).path.rstrip("/")
    if path not in _OPENAI_PATHS:
        text = f"has the path {path}; export {_OPENAI_BASE_URL}={local_url(config.host, config.port)}/v1"
        return (Finding(mark="failed", subject=_OPENAI_BASE_URL, text=text),)
    key = environ.get(_OPENAI_KEY, "").strip()
    if not key:
        text = f"not set: OpenAI's clients do not start without; set it to {_fitting(config)}"
        finding = Finding(mark="failed", subject=_OPENAI_KEY, text=text)
    else:
        finding = _shown_key(_OPENAI_KEY, key, config)
    is_told = _leads_here(environ.get(_BASE_URL, ""), config)
    proxies = () if is_told else _http_proxies(environ, base_url)
    return (Finding(mark="ok", subject=_OPENAI_BASE_URL, text="leads here"), finding, *proxies)


def _leads_here(base_url: str, config: Config) -> bool:
    host, port = _host_and_port(base_url)
    is_here = host == config.host.lower() or (
        is_loopback(host) and (is_loopback(config.host) or config.host in _UNSPECIFIED)
    )
    return is_here and port == config.port


def _path(base_url: str, url: str) -> Finding:
    path = urlsplit(base_url).path.rstrip("/")
    if path:
        text = f"has the path {path}, to which clients add /v1/messages; export {_BASE_URL}={url}"
        return Finding(mark="failed", subject=_BASE_URL, text=text)
    return Finding(mark="ok", subject=_BASE_URL, text="leads here")


def _keys(environ: Mapping[str, str], config: Config) -> Iterator[Finding]:
    shown = {name: environ[name] for name in (_TOKEN, _API_KEY) if environ.get(name, "").strip()}
    if not shown:
        mark: Literal["note", "failed"] = "failed" if config.api_keys else "note"
        text = f"not set: Claude Code will ask you to log in; set it to {_fitting(config)}"
        yield Finding(mark=mark, subject=_TOKEN, text=text)
    for name, value in shown.items():
        yield _shown_key(name, value, config)
    if len(shown) > 1:
        text = f"set beside {_TOKEN}: clients differ in which one they show; unset one of them"
        yield Finding(mark="note", subject=_API_KEY, text=text)


def _fitting(config: Config) -> str:
    return "one of the api-keys" if config.api_keys else "any value"


def _shown_key(name: str, value: str, config: Config) -> Finding:
    """Say whether the proxy admits who shows a key."""
    if config.api_keys and not _is_known(value.strip(), config):
        text = "none of the api-keys: clients that show it get a 401; set it to one of them"
        return Finding(mark="failed", subject=name, text=text)
    return Finding(mark="ok", subject=name, text="one of the api-keys" if config.api_keys else "set")


def _is_known(value: str, config: Config) -> bool:
    return any(compare_digest(value.encode(), key.reveal().encode()) for key in config.api_keys)


def _detours(environ: Mapping[str, str], base_url: str) -> Iterator[Finding]:
    for name in _OTHER_WAYS:
        if environ.get(name, "").strip().lower() not in _OFF:
            text = f"set: Claude Code then ignores {_BASE_URL}; unset it"
            yield Finding(mark="failed", subject=name, text=text)
    yield from _http_proxies(environ, base_url)


def _http_proxies(environ: Mapping[str, str], base_url: str) -> Iterator[Finding]:
    host, _ = _host_and_port(base_url)
    excepted = {
        entry.strip().lower()
        for name in ("NO_PROXY", "no_proxy")
        for entry in environ.get(name, "").split(",")
    }
    if not excepted & {host, "*"}:
        for name in _HTTP_PROXIES:
            if environ.get(name, "").strip():
                text = f"set: clients may ask that proxy for {host}; add {host} to NO_PROXY"
                yield Finding(mark="note", subject=name, text=text)
                return


def _host_and_port(url: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(url.strip())
        return (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", None


def _place(url: str) -> str:
    host, port = _host_and_port(url)
    return f"{host} port {port}" if host else "no address"

"""Whether the clients started in this environment would reach the proxy, and be let in; pure.

What Claude Code's settings files set stands over the environment, as it does there.

No value of a variable that may hold a key is shown, and of an address only host and port.
"""

from collections.abc import Iterator, Mapping, Sequence
from hmac import compare_digest
from typing import Final, Literal
from urllib.parse import urlsplit

from packyproxy.cli.claude_settings import VariableInFile
from packyproxy.cli.findings import Finding
from packyproxy.cli.server import is_loopback, local_url
from packyproxy.config import Config

__all__ = ["client_findings", "leads_here"]

_BASE_URL: Final = "ANTHROPIC_BASE_URL"
_TOKEN: Final = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the name of a variable
_API_KEY: Final = "ANTHROPIC_API_KEY"
_OPENAI_BASE_URL: Final = "OPENAI_BASE_URL"
_OPENAI_KEY: Final = "OPENAI_API_KEY"
_OPENAI_PATHS: Final = ("", "/v1")
_OTHER_WAYS: Final = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_HTTP_PROXIES: Final = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_HTTP_PROXIES_OF_CLAUDE: Final = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
"""It takes those for https on the way to an http:// address too."""
_OFF: Final = frozenset({"", "0", "false", "no", "off"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NOWHERE: Final = ("", None)
_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing is bound here


def client_findings(
    environ: Mapping[str, str], config: Config, settings: Mapping[str, VariableInFile] | None = None
) -> tuple[Finding, ...]:
    """Look at the variables that the clients of Anthropic and of OpenAI read.

    Args:
        environ: the environment.
        config: says where the proxy listens, and which keys it takes.
        settings: what Claude Code's files set.
    """
    anthropic = _of_anthropic(environ, config, settings or {})
    told = {finding.subject for finding in anthropic} & {*_HTTP_PROXIES}
    openai = _of_openai(environ, config)
    return (*anthropic, *(finding for finding in openai if not (told and finding.subject in _HTTP_PROXIES)))


def leads_here(environ: Mapping[str, str], config: Config, settings: Mapping[str, VariableInFile]) -> bool:
    """Tell whether Claude Code, started in this environment, asks at the proxy's address."""
    return _leads_here(_with(environ, settings).get(_BASE_URL, ""), config)


def _with(environ: Mapping[str, str], settings: Mapping[str, VariableInFile]) -> dict[str, str]:
    return {**environ, **{name: variable.value for name, variable in settings.items()}}


def _of_anthropic(
    environ: Mapping[str, str], config: Config, settings: Mapping[str, VariableInFile]
) -> tuple[Finding, ...]:
    shell, environ = environ, _with(environ, settings)
    base_url = environ.get(_BASE_URL, "").strip()
    url = local_url(config.host, config.port)
    place = settings.get(_BASE_URL)
    set_it = f"export {_BASE_URL}={url}" if place is None else f"set it to {url} there, or remove it"
    origin = "" if place is None else f"set in {place.file}, which stands over this shell: "
    if not base_url:
        text = f"{origin}not set: Claude Code, started here, does not use the proxy; {set_it}"
        return (Finding(mark="note", subject=_BASE_URL, text=text),)
    if _host_and_port(base_url) == _NOWHERE:
        text = f"{origin}is no URL that begins with http://; {set_it}"
        return (Finding(mark="failed", subject=_BASE_URL, text=text),)
    if not _leads_here(base_url, config):
        is_meant = place is not None and _leads_here(shell.get(_BASE_URL, ""), config)
        text = f"{origin}leads to {_place(base_url)}; this configuration listens on {_place(url)}; {set_it}"
        return (Finding(mark="failed" if is_meant else "note", subject=_BASE_URL, text=text),)
    return (
        _form(base_url, origin, set_it),
        *_keys(environ, config, settings),
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
    proxies = _http_proxies(environ, base_url, _HTTP_PROXIES)
    return (Finding(mark="ok", subject=_OPENAI_BASE_URL, text="leads here"), finding, *proxies)


def _leads_here(base_url: str, config: Config) -> bool:
    host, port = _host_and_port(base_url)
    is_here = host == config.host.lower() or (
        is_loopback(host) and (is_loopback(config.host) or config.host in _UNSPECIFIED)
    )
    return is_here and port == config.port


def _form(base_url: str, origin: str, set_it: str) -> Finding:
    path = urlsplit(base_url).path.rstrip("/")
    if path:
        text = f"{origin}has the path {path}, to which clients add /v1/messages; {set_it}"
    elif base_url.lower().startswith("https:"):
        text = f"{origin}begins with https://, and the proxy speaks plain HTTP; {set_it}"
    else:
        return Finding(mark="ok", subject=_BASE_URL, text=f"{origin}leads here")
    return Finding(mark="failed", subject=_BASE_URL, text=text)


def _keys(
    environ: Mapping[str, str], config: Config, settings: Mapping[str, VariableInFile]
) -> Iterator[Finding]:
    shown = {name: environ[name] for name in (_TOKEN, _API_KEY) if environ.get(name, "").strip()}
    if not shown:
        mark: Literal["note", "failed"] = "failed" if config.api_keys else "note"
        text = f"not set: Claude Code will ask you to log in; set it to {_fitting(config)}"
        if _TOKEN in settings:
            text = f"empty in {settings[_TOKEN].file}, which stands over this shell: remove it there"
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
    yield from _http_proxies(environ, base_url, _HTTP_PROXIES_OF_CLAUDE)


def _http_proxies(environ: Mapping[str, str], base_url: str, names: Sequence[str]) -> Iterator[Finding]:
    host, _ = _host_and_port(base_url)
    excepted = {
        entry.strip().lower()
        for name in ("NO_PROXY", "no_proxy")
        for entry in environ.get(name, "").split(",")
    }
    if not excepted & {host, "*"}:
        for name in names:
            if environ.get(name, "").strip():
                text = f"set: clients may ask that proxy for {host}; add {host} to NO_PROXY"
                yield Finding(mark="note", subject=name, text=text)
                return


def _host_and_port(url: str) -> tuple[str, int | None]:
    """Return where a URL leads, ``_NOWHERE`` when it is none."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return _NOWHERE
    if not host or parts.scheme not in _DEFAULT_PORTS:
        return _NOWHERE
    return host.lower(), port or _DEFAULT_PORTS[parts.scheme]


def _place(url: str) -> str:
    host, port = _host_and_port(url)
    return f"{host} port {port}"

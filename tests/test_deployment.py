"""What stands in ``examples/deployment`` fits together, and fits what it deploys."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from argparse import Namespace
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from packyproxy import PackyProxy
from packyproxy.asgi.addresses import is_local
from packyproxy.cli.parser import read_arguments
from packyproxy.config import Config
from packyproxy.testing import StreamingASGITransport
from tests.support.servers import COMMAND, ServeProcess, free_port, write_config

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "deployment"
PAGE = (ROOT / "docs" / "deployment.md").read_text("utf-8")
NOWHERE = "http://127.0.0.1:9"
MOST_SECONDS = 10.0


def text_of(name: str) -> str:
    """Return a file of the folder."""
    return (FOLDER / name).read_text("utf-8")


def unit() -> Mapping[str, str]:
    """Return the settings of the service that stand once."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(text_of("packyproxy.service"))
    return dict(parser["Service"])


def steps(instruction: str) -> list[str]:
    """Return what follows an instruction of the container file, once for each time that it is there."""
    joined = text_of("Dockerfile").replace("\\\n", " ")
    return re.findall(rf"^{instruction} +(.*)$", joined, re.MULTILINE)


def manifest(kind: str) -> Any:
    """Return the object of a kind in the manifest."""
    [found] = [each for each in yaml.safe_load_all(text_of("kubernetes.yaml")) if each["kind"] == kind]
    return found


def pod() -> Any:
    """Return what the deployment makes."""
    return manifest("Deployment")["spec"]["template"]["spec"]


def container() -> Any:
    """Return the one container of a pod."""
    [only] = pod()["containers"]
    return only


def directives(name: str) -> list[str]:
    """Return the values of a directive of nginx."""
    return re.findall(rf"^\s*{name}\s+(.*);$", text_of("nginx.conf"), re.MULTILINE)


def commands() -> dict[str, list[str]]:
    """Return the command of each file, without the program."""
    [entry], [command] = steps("ENTRYPOINT"), steps("CMD")
    return {
        "packyproxy.service": shlex.split(unit()["ExecStart"])[1:],
        "Dockerfile": [*json.loads(entry), *json.loads(command)][1:],
        "kubernetes.yaml": container()["args"],
    }


def seconds_given() -> dict[str, int]:
    """Return after how many seconds of grace whoever supervises kills."""
    [stop] = re.findall(r"--stop-timeout (\d+)", PAGE)
    before = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    return {
        "packyproxy.service": int(unit()["TimeoutStopSec"]),
        "Dockerfile": int(stop),
        "kubernetes.yaml": pod()["terminationGracePeriodSeconds"] - before,
    }


def options(name: str) -> Namespace:
    """Return what the command of a file says, as the command line reads it."""
    return read_arguments(commands()[name])


def test_the_page_names_every_file() -> None:
    """No file is there that its reader is not told of."""
    assert [] == [path.name for path in FOLDER.iterdir() if path.name not in PAGE]


@pytest.mark.parametrize("name", commands())
def test_a_command_is_one_that_serves(name: str) -> None:
    """Each file starts ``serve``, with options that there are."""
    assert "serve" == options(name).command


@pytest.mark.parametrize("name", commands())
def test_who_supervises_waits_longer_than_running_answers_get(name: str) -> None:
    """Nobody kills the process while it keeps its word, nor while it closes."""
    assert options(name).grace + 2 <= seconds_given()[name]


def test_the_unit_verifies(tmp_path: Path) -> None:
    """systemd finds nothing to complain of."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze here")
    path = tmp_path / "packyproxy.service"
    path.write_text(text_of(path.name).replace("/opt/packyproxy/bin/packyproxy", str(COMMAND)), "utf-8")
    done = subprocess.run(
        [program, "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    # What it says of other units of this machine is not about ours.
    assert [] == [line for line in done.stderr.splitlines() if path.name in line]


def test_the_service_may_write_its_configuration() -> None:
    """The folder of ``config.yaml`` is the one that the sandbox leaves open."""
    assert unit()["ReadWritePaths"] == str(Path(options("packyproxy.service").config).parent)


def test_a_unit_for_several_instances_is_made_of_this_one() -> None:
    """The documented ``sed`` gives each instance a port of its own."""
    [search, replacement] = re.findall(
        r"^sed 's/(.*?)/(.*?)/' examples/deployment/packyproxy.service", PAGE, re.MULTILINE
    )[0]
    assert 1 == text_of("packyproxy.service").count(search)
    made = shlex.split(unit()["ExecStart"].replace(search, replacement.replace("%i", "8318")))
    assert 8318 == read_arguments(made[1:]).port


def test_the_container_is_built_of_what_there_is() -> None:
    """Sources that are copied exist, and are not hidden from the build; what is hidden are all others."""
    ignored = [line for line in text_of("Dockerfile.dockerignore").splitlines() if line and line[0] != "#"]
    sources = [source for step in steps("COPY") if "--from" not in step for source in step.split()[:-1]]
    assert [] == [source for source in sources if not (ROOT / source).exists()]
    assert sorted(sources) == sorted(line[1:] for line in ignored if line[0] == "!")
    assert "*" == ignored[0]
    assert [] == [
        line for line in ignored if line[0] != "!" for name in sources if line != "*" and fnmatch(name, line)
    ]


def test_the_container_has_extras_that_there_are() -> None:
    """What pip is told to install besides is declared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [extras] = re.findall(r"/src\[(.*?)\]", text_of("Dockerfile"))
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_container_runs_without_privileges() -> None:
    """Neither is its user root, nor has it a name that a read-only system would have to know."""
    [user] = steps("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@pytest.mark.e2e
def test_the_health_check_tells_who_answers(tmp_path: Path) -> None:
    """It succeeds while the proxy serves, also when it has no provider to ask, and fails when nobody listens."""
    [check] = steps("HEALTHCHECK")
    [python, option, code] = json.loads(check.partition("CMD ")[2])
    assert ("python", "-c", 1) == (python, option, code.count(":8317/"))

    def status(port: int) -> int:
        words = [sys.executable, option, code.replace(":8317/", f":{port}/")]
        return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode

    path = write_config(tmp_path, NOWHERE, packycode={"enabled": False})
    with ServeProcess(path) as proxy:
        assert 0 == status(proxy.port)
    assert 0 != status(free_port())


@pytest.mark.parametrize("probe", ["readinessProbe", "livenessProbe"])
async def test_a_probe_asks_for_a_route(probe: str) -> None:
    """Its path is answered without a key, on the port of the container."""
    asked = container()[probe]["httpGet"]
    assert asked["port"] in {port["name"] for port in container()["ports"]}
    proxy = PackyProxy({"api-keys": ["sk-client"]})
    transport = StreamingASGITransport(proxy)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        assert (await client.get(asked["path"])).status_code in {200, 503}


def test_ports_fit() -> None:
    """Everybody speaks of the port on which it listens."""
    port = options("Dockerfile").port
    [exposed] = steps("EXPOSE")
    [of_container] = container()["ports"]
    [of_service] = manifest("Service")["spec"]["ports"]
    assert of_container["name"] == of_service["targetPort"]
    ports = (int(exposed), options("kubernetes.yaml").port, of_container["containerPort"], of_service["port"])
    assert (port,) * 4 == ports
    targets = yaml.safe_load(text_of("prometheus.yaml"))["scrape_configs"][0]["static_configs"][0]["targets"]
    assert [f"127.0.0.1:{Config().port}"] == targets
    assert f"server 127.0.0.1:{Config().port} " in text_of("nginx.conf")
    assert f"reverse_proxy 127.0.0.1:{Config().port}\n" in text_of("Caddyfile")


def test_the_manifest_fits_together() -> None:
    """The service finds the pods, and the pods the configuration: its folder, which is followed, not the file."""
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        manifest("Service")["spec"]["selector"],
        manifest("Deployment")["spec"]["selector"]["matchLabels"],
    ]
    assert [labels, labels] == selectors
    [mount], [volume] = container()["volumeMounts"], pod()["volumes"]
    assert (volume["name"], str(Path(options("kubernetes.yaml").config).parent)) == (
        mount["name"],
        mount["mountPath"],
    )
    assert "subPath" not in mount
    assert f"kubectl create secret generic {volume['secret']['secretName']} --from-file=config.yaml" in PAGE


def test_the_pod_has_no_privileges() -> None:
    """What a cluster with the restricted policy demands."""
    assert pod()["securityContext"]["runAsNonRoot"]
    assert 0 != pod()["securityContext"]["runAsUser"]
    assert {"type": "RuntimeDefault"} == pod()["securityContext"]["seccompProfile"]
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_nginx_waits_as_long_as_an_answer_may_take() -> None:
    """By the defaults; whoever raises a limit in config.yaml raises it here."""
    [seconds], [megabytes] = directives("proxy_read_timeout"), directives("client_max_body_size")
    assert Config().streaming.total_timeout < int(seconds.removesuffix("s"))
    assert Config().max_body_bytes < int(megabytes.removesuffix("m")) << 20


def test_nginx_passes_on_as_it_comes() -> None:
    """It keeps neither requests nor answers, in memory or in files."""
    assert (["off"], ["off"]) == (directives("proxy_buffering"), directives("proxy_request_buffering"))


def test_who_comes_through_nginx_is_not_taken_for_this_machine() -> None:
    """What it adds makes a request a foreign one, though nginx itself is on this machine."""
    headers = [line.split()[0].lower() for line in directives("proxy_set_header")]
    assert is_local({"client": ("127.0.0.1", 1)}, {})
    assert not is_local({"client": ("127.0.0.1", 1)}, dict.fromkeys(headers, ""))


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("nginx.conf", r"location (\S+) +\{ return 404; \}"), ("Caddyfile", r"@inside path (.*)")],
)
def test_what_is_for_this_machine_is_closed_to_others(name: str, pattern: str) -> None:
    """Neither the management API nor the metrics are there from outside."""
    closed = {path.rstrip("*") for found in re.findall(pattern, text_of(name)) for path in found.split()}
    assert {"/v0/", "/metrics"} == closed


def seconds_until(status: int, url: str) -> float:
    """Return how long it takes until ``/readyz`` answers like this."""
    began = time.monotonic()
    while time.monotonic() - began < MOST_SECONDS:
        if httpx.get(f"{url}/readyz").status_code == status:
            return time.monotonic() - began
    raise TimeoutError(f"/readyz did not become {status}")


@pytest.mark.e2e
def test_a_secret_that_the_kubelet_swaps_is_followed(tmp_path: Path) -> None:
    """The file is a link through ``..data``, which is swapped for a new folder; the old one is deleted."""

    def put(number: int, *, enabled: bool) -> Path:
        folder = tmp_path / f"..2026_{number}"
        folder.mkdir()
        provider = {"enabled": enabled, "base-url": NOWHERE, "requires-openai-auth": False}
        write_config(folder, NOWHERE, packycode=provider).chmod(0o440)
        link = tmp_path / "..data_tmp"
        link.symlink_to(folder.name)
        link.replace(tmp_path / "..data")
        return folder

    old = put(1, enabled=True)
    path = tmp_path / "config.yaml"
    path.symlink_to("..data/config.yaml")
    with ServeProcess(path) as proxy:
        assert 200 == httpx.get(f"{proxy.url}/readyz").status_code
        for number, (enabled, status) in enumerate([(False, 503), (True, 200)], start=2):
            new = put(number, enabled=enabled)
            shutil.rmtree(old)
            assert seconds_until(status, proxy.url) <= 1.0
            old = new


def test_the_page_says_the_times_of_the_files() -> None:
    """Who changes them changes the page."""
    assert {300} == {options(name).grace for name in commands()}
    assert "`--grace 300`" in PAGE
    kills = [
        unit()["TimeoutStopSec"],
        str(seconds_given()["Dockerfile"]),
        str(pod()["terminationGracePeriodSeconds"]),
    ]
    assert [kills[0]] * 3 == kills
    assert f"are {kills[0]} s there" in PAGE

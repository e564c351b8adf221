"""``packyproxy doctor --privacy``, as a process: the whole proof, on the clock of this machine."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import COMMAND

pytestmark = pytest.mark.e2e

KEY = "sk-the-users-own-key"


def test_nothing_leaks(tmp_path: Path) -> None:
    """Every scenario comes out as told, every watcher sees, and neither a configuration nor a key is needed."""
    environment = {**os.environ, "PACKYCODE_API_KEY": KEY, "PACKYPROXY_CONFIG": str(tmp_path / "absent.yaml")}
    ran = subprocess.run(
        [COMMAND, "doctor", "--privacy", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    proof = json.loads(ran.stdout)
    assert ([], [], []) == (proof["leaks"], proof["failed"], proof["blind"])
    assert (0, "", True) == (ran.returncode, ran.stderr, proof["ok"])
    assert not any(look["note"] for look in proof["looks"])
    looks = {look["place"]: look["count"] for look in proof["looks"]}
    silent = {"warnings", "standard output", "network"}
    assert silent == {place for place, count in looks.items() if not count}
    assert [] == list(tmp_path.iterdir())
    assert KEY not in ran.stdout

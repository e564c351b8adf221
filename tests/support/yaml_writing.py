"""Write values as YAML the way people do: in many styles, with comments in many places."""

import random
import re
from typing import Any

import yaml

__all__ = ["YamlWriter"]

_PLAIN = re.compile(r"[\w./:# -]+")


class YamlWriter:
    """Writes values as YAML; every choice of style comes from ``choices``."""

    def __init__(self, choices: random.Random) -> None:
        self._choose = choices.choice

    def text(self, value: Any) -> str:
        """Return a whole file that says a mapping."""
        return "\n".join([*self.lines(value, 0), ""])

    def lines(self, value: Any, indent: int) -> list[str]:
        """Return the lines of a collection that goes by indentation."""
        entries = value.items() if isinstance(value, dict) else [(None, item) for item in value]
        lines: list[str] = []
        for name, item in entries:
            lines += self._choose([[], [], [" " * indent + "# of the next"], ["", "# far left"]])
            head = " " * indent + ("-" if name is None else f"{self._flow(name)}:")
            if isinstance(item, dict | list) and item and self._choose([True, True, False]):
                least = 0 if name is not None and isinstance(item, list) else 1
                lines += [head + self._comment(), *self.lines(item, indent + self._choose([least, 2, 4]))]
            else:
                lines.append(head + self._choose([" ", "   "]) + self._flow(item) + self._comment())
        return lines

    def _comment(self) -> str:
        return self._choose(["", "", " # near", "      # far"])

    def _flow(self, value: Any) -> str:
        pad = self._choose(["", " "])
        if isinstance(value, dict):
            pairs = (f"{self._flow(name)}: {self._flow(item)}" for name, item in value.items())
            return f"{{{pad}{', '.join(pairs)}{pad}}}"
        if isinstance(value, list):
            return f"[{pad}{', '.join(map(self._flow, value))}{pad}]"
        may_be_bare = isinstance(value, str) and _PLAIN.fullmatch(value)
        style = self._choose(['"', "'", None if may_be_bare else '"']) if isinstance(value, str) else None
        return yaml.safe_dump(value, default_style=style, width=1000).split("\n...")[0].strip()

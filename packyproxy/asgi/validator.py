"""Say what is wrong with a configuration before anybody uses it: ``POST /validate``.

The same operation as ``POST /v0/management/config/validate``, for hosts that want this one alone. It is
guarded by the management key, since a mask in what is sent stands for the stored secret.
"""

from typing import Final

from msgspec.structs import replace

from packyproxy.asgi.management.component import KeyedOperations
from packyproxy.asgi.management.whole_config import validate_operation
from packyproxy.runtime.runtime import Runtime

__all__ = ["Validator"]

_PATH: Final = "/validate"


class Validator(KeyedOperations):
    """``POST /validate`` as an ASGI component; without a management key it is 404."""

    def __init__(self, runtime: Runtime) -> None:
        operation = replace(validate_operation(runtime), path=_PATH)
        super().__init__(runtime, (operation,), prefix="", paths=(_PATH,))

"""Configuration: what ``config.yaml`` may say, and the only way to read it."""

from packyproxy.config.reading import Loaded, config_from_mapping, discover_config, load_config, parse_config
from packyproxy.config.schema import Config, ModelConfig, ProviderConfig, Source, StreamingConfig
from packyproxy.config.secret import Secret
from packyproxy.config.sources import Ambient, process_ambient

__all__ = [
    "Ambient",
    "Config",
    "Loaded",
    "ModelConfig",
    "ProviderConfig",
    "Secret",
    "Source",
    "StreamingConfig",
    "config_from_mapping",
    "discover_config",
    "load_config",
    "parse_config",
    "process_ambient",
]

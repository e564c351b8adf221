"""Configuration: what ``config.yaml`` may say, and the only way to read it."""

from packyproxy.config.reading import config_from_mapping, load_config, parse_config
from packyproxy.config.schema import Config, ModelConfig, ProviderConfig, Source, StreamingConfig
from packyproxy.config.secret import Secret

__all__ = [
    "Config",
    "ModelConfig",
    "ProviderConfig",
    "Secret",
    "Source",
    "StreamingConfig",
    "config_from_mapping",
    "load_config",
    "parse_config",
]

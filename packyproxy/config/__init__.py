"""Configuration: what ``config.yaml`` may say, and the only way to read it."""

from packyproxy.config.schema import Config, ModelConfig, ProviderConfig, StreamingConfig
from packyproxy.config.secret import Secret

__all__ = ["Config", "ModelConfig", "ProviderConfig", "Secret", "StreamingConfig"]

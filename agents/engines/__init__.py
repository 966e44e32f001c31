"""Sampling engines: what turns prompts of token ids into sampled responses with their log-probabilities."""

from .base import Engine, EngineKind, Sample

__all__ = ["Engine", "EngineKind", "Sample"]

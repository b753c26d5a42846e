"""What the upstream says about its own concurrency: sources of usage, over HTTP or in Python."""

from __future__ import annotations

from shmlimit.usage.catalogue import preset, presets, providers
from shmlimit.usage.http import HttpUsage
from shmlimit.usage.reading import UpstreamBlocked, Usage, UsageError, UsageSource
from shmlimit.usage.source import describe, load_source

__all__ = [
    "HttpUsage",
    "UpstreamBlocked",
    "Usage",
    "UsageError",
    "UsageSource",
    "describe",
    "load_source",
    "preset",
    "presets",
    "providers",
]

"""A realistic upstream on loopback: what a provider enforces, what it reports, and what is true.

Importing this package needs neither starlette, uvicorn nor click; only serving does.
"""

from __future__ import annotations

from shmlimit.emulate.process import EmulatorError, EmulatorProcess
from shmlimit.emulate.scenarios import SCENARIOS, scenario
from shmlimit.emulate.settings import EmulatorSettings
from shmlimit.emulate.truth import TruthSummary, summary

__all__ = [
    "SCENARIOS",
    "EmulatorError",
    "EmulatorProcess",
    "EmulatorSettings",
    "TruthSummary",
    "scenario",
    "summary",
]

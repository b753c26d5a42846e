"""Run the emulator by itself: `python -m shmlimit.emulate`."""

from __future__ import annotations

from shmlimit.emulate.command import emulate

if __name__ == "__main__":
    emulate(prog_name="shmlimit emulate")

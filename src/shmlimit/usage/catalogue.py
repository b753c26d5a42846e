"""The catalogue of presets: what is known about each provider, as data files beside the code."""

from __future__ import annotations

import json
from typing import Any

from shmlimit.usage.argument import shown
from shmlimit.usage.http import OPTIONS, HttpUsage

_SUFFIX = ".json"


def _read_presets() -> dict[str, dict[str, Any]]:
    # Here, since it costs as much as all else in this package and most sources need no preset.
    import importlib.resources

    directory = importlib.resources.files("shmlimit.usage").joinpath("presets")
    return {
        entry.name.removesuffix(_SUFFIX): json.loads(entry.read_text(encoding="utf-8"))
        for entry in sorted(directory.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(_SUFFIX)
    }


def presets() -> dict[str, dict[str, str]]:
    """Return the presets by name, each with its "description" and "url", blocking for local files at most.

    The url is empty where it is the user's own server, and has to be given.
    """
    return {
        name: {"description": settings["description"], "url": settings.get("url", "")}
        for name, settings in _read_presets().items()
        if "in_flight" in settings
    }


def providers() -> dict[str, str]:
    """Return what each provider limits, by its name, of those whose refusals are known; blocks for local files at most.

    Those are the names that `provider=` of the httpx transports knows.
    """
    return {name: settings["description"] for name, settings in _read_presets().items() if "refusals" in settings}


def refusal_rules(name: str) -> list[dict[str, Any]]:
    """Return what is known of a provider's refusals, blocking for local files at most: rules for a Classifier.

    Raises:
        ValueError: Of a provider of that name no refusals are known.
    """
    settings = _read_presets().get(name, {})
    if "refusals" not in settings:
        raise ValueError(f"no refusals are known of {str(name)[:64]!r}: known are those of {', '.join(providers())}")
    rules: list[dict[str, Any]] = settings["refusals"]
    return rules


def feed_settings(name: str) -> dict[str, Any] | None:
    """Return the headers in which a provider tells its count, as arguments of a Feed; None: it does not.

    Blocks for local files at most.
    """
    return _read_presets().get(name, {}).get("feed")


def preset(name: str, *, auth: str | None = None, url: str | None = None, **overrides: Any) -> HttpUsage:
    """Make the source for a known provider, blocking for local files at most.

    Args:
        name: A name from `presets`.
        auth: Where the key is kept, as in `HttpUsage`. None: where the preset says.
        url: Another endpoint of the same shape. None: the provider's own; needed where that is a server of yours.
        **overrides: Any other argument of `HttpUsage`, in place of the preset's.

    Raises:
        TypeError: The name is no text, or an argument is unknown or has the wrong type.
        ValueError: There is no such preset, or an argument has a value that is not allowed.
    """
    if not isinstance(name, str):
        raise TypeError(f"a preset is chosen by name, not by {shown(name)}")
    known = _read_presets()
    if "in_flight" not in known.get(name, {}):
        what = f"{name!r} tells no count to ask for" if name in known else f"unknown preset {name[:64]!r}"
        raise ValueError(f"{what}: known presets are {', '.join(presets())}")
    for option in overrides:
        if option not in OPTIONS:
            raise TypeError(f"preset() got the unknown argument {option!r}: known are {', '.join(OPTIONS)}")
    settings = {option: value for option, value in known[name].items() if option in OPTIONS}
    settings |= overrides
    settings |= {option: value for option, value in (("auth", auth), ("url", url)) if value is not None}
    if "url" not in settings:
        raise ValueError(f"the preset {name!r} needs the url of your endpoint: {known[name]['description']}")
    return HttpUsage.from_config(settings)

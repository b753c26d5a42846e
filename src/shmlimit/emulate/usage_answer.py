"""The documents the account answers with, in the shapes that Umans uses."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from shmlimit.emulate.penalty import WINDOW_SECONDS

if TYPE_CHECKING:
    from shmlimit.emulate.account import Account
    from shmlimit.emulate.report import Reading

REQUESTS_PER_WINDOW = 8_000
# Plausible averages of a coding session; nothing depends on them.
TOKENS_IN, TOKENS_OUT, TOKENS_CACHED = 11_600, 950, 11_000


def usage_document(account: Account, reading: Reading) -> dict[str, Any]:
    """Give the answer of `GET /v1/usage` for one *reading*."""
    limit, cap = account.limit, account.cap
    windows_passed, into_window = divmod(account.elapsed(), WINDOW_SECONDS)
    window_began_at = account.wall_began_at + windows_passed * WINDOW_SECONDS
    started = account.started
    left = max(0, REQUESTS_PER_WINDOW - started)
    now = account.settle()
    penalty = account.penalty.shown(now)
    is_limited = penalty.until is not None and penalty.until > now
    interactive = account.settings.overload == 0
    return {
        "user_id": "emulated-user",
        "plan": {"slug": "code_max", "display_name": "Code Max (emulated)"},
        "limits": {
            "requests": {
                "limit": REQUESTS_PER_WINDOW,
                "hard_cap": 2 * REQUESTS_PER_WINDOW,
                "burst_pct": 1.0,
                "window_seconds": WINDOW_SECONDS,
                "description": f"{REQUESTS_PER_WINDOW} requests per 5 hours",
            },
            "concurrency": {
                "limit": limit,
                "hard_cap": cap,
                "burst_pct": round((cap - limit) / limit, 3),
                "description": f"{limit} concurrent sessions",
            },
        },
        "window": {
            "started_at": iso(window_began_at),
            "resets_at": iso(window_began_at + WINDOW_SECONDS),
            "remaining_minutes": int((WINDOW_SECONDS - into_window) // 60),
        },
        "usage": {
            "requests_in_window": started,
            "weighted_in_window": float(started),
            "remaining_requests": left,
            "weighted_remaining_requests": float(left),
            "concurrent_sessions": reading.sessions,
            "weighted_concurrent_sessions": float(reading.weight),
            "tokens_in": started * TOKENS_IN,
            "tokens_out": started * TOKENS_OUT,
            "tokens_cached": started * TOKENS_CACHED,
            # As at the provider, the end of a past box stays here: a client has to compare it with now.
            "priority": {
                "low": reading.is_low_priority or is_limited,
                "boxed_until": None if penalty.until is None else iso(account.wall(penalty.until)),
                "reason": penalty.reason,
            },
            "service_mode": {"current": "interactive" if interactive else "low_interactivity", "resets_at": None},
            "priority_budget": [
                {
                    "category": "frontier",
                    "label": "Frontier models",
                    "models": ["emulated-model"],
                    "used_pct": 100 * started // REQUESTS_PER_WINDOW,
                    "over_budget_today": False,
                    "mode": "interactive",
                    "resets_at": None,
                }
            ],
        },
    }


def boxed_document(account: Account) -> dict[str, Any]:
    """Give the body of a 403 from the penalty box."""
    now = account.settle()
    until = iso(account.wall(account.penalty.boxed_until(now) or now))
    return {
        "error": {
            "type": "account_suspended",
            "message": f"account_suspended until {until}",
            "boxed_until": until,
        }
    }


def error_document(kind: str, message: str) -> dict[str, Any]:
    """Give an error body in the OpenAI shape."""
    return {"error": {"type": kind, "code": kind, "message": message}}


def iso(epoch: float) -> str:
    """Give epoch seconds as an ISO 8601 time in UTC."""
    return datetime.fromtimestamp(epoch, timezone.utc).isoformat()

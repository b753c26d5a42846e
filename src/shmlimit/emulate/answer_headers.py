"""The headers in which some providers tell their count with each answer to work."""

from __future__ import annotations

FEEDS = ("none", "elevenlabs", "zenrows")


def answer_headers(feed: str, counted: int, cap: int) -> dict[str, str]:
    """Give the headers of an answer while *counted* sessions are in flight, the answered one included.

    Args:
        feed: Whose headers, one of FEEDS.
        counted: The enforced count.
        cap: The hard cap.
    """
    if feed == "elevenlabs":
        return {"current-concurrent-requests": str(counted), "maximum-concurrent-requests": str(cap)}
    if feed == "zenrows":
        return {"concurrency-limit": str(cap), "concurrency-remaining": str(max(0, cap - counted))}
    return {}

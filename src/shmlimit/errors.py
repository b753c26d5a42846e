"""The exceptions of shmlimit.

ShmlimitError
 +-- AcquireTimeout          (TimeoutError)       no permit within the time-out
 +-- NeverAdmissible         (ValueError)         weight above the limit
 +-- QueueFull                                    every slot of the segment is taken
 +-- ParticipantsFull                             every entry of the participant table is taken
 +-- InvalidName             (ValueError)         not a limiter's name
 +-- LimiterNotFound         (FileNotFoundError)  nobody has created it, and no limit was given
 +-- LimiterInUse                                 destroy without force while processes are attached
 +-- LimiterClosed           (ValueError)         used after close()
 +-- SegmentRefused          (PermissionError)    the file is not this user's to trust
 +-- SegmentIncompatible                          written by another version or build
 +-- SegmentCorrupt                               impossible bytes
 +-- SegmentOrphaned                              the segment has lost its name
 +-- UnsupportedPlatform                          no working OFD locks or shared futexes here

Each message names what was found, what was expected and what to do. All of them pickle. A failed system call is
the OSError itself. ConfigMismatchWarning: settings were given that differ from the segment's, and changed nothing.
"""

from __future__ import annotations


class ShmlimitError(Exception):
    """The base of every error that shmlimit raises about its own work."""


class AcquireTimeout(ShmlimitError, TimeoutError):
    """No permit within the time-out; the queue has been left as if it had never been entered."""


class NeverAdmissible(ShmlimitError, ValueError):
    """The weight is above the limit, so waiting would never end."""


class QueueFull(ShmlimitError):
    """Every slot of the segment is taken by a holder or a waiter."""


class ParticipantsFull(ShmlimitError):
    """Every entry of the segment's participant table is taken by a living process."""


class InvalidName(ShmlimitError, ValueError):
    """The text cannot be a limiter's name."""


class LimiterNotFound(ShmlimitError, FileNotFoundError):
    """There is no segment of that name, and no limit was given to create one."""


class LimiterInUse(ShmlimitError):
    """Processes are attached, so the segment is not removed."""


class LimiterClosed(ShmlimitError, ValueError):
    """The Limiter object was closed."""


class SegmentRefused(ShmlimitError, PermissionError):
    """The file of that name has another owner, mode or kind than this user's segments have."""


class SegmentIncompatible(ShmlimitError):
    """The segment was written by a version or build of shmlimit that this one does not understand."""


class SegmentCorrupt(ShmlimitError):
    """The segment holds bytes that no version of shmlimit writes."""


class SegmentOrphaned(ShmlimitError):
    """The segment has lost its name, so a second one may exist beside it; nobody is admitted by this one."""


class UnsupportedPlatform(ShmlimitError):
    """Open-file-description locks or shared futexes do not work here."""


class ConfigMismatchWarning(UserWarning):
    """A Limiter was opened with settings that differ from those its segment was created with; these stand."""

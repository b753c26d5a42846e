"""`shmlimit demo`: the main job, end to end: the same load through shmlimit, a semaphore and no limiter."""

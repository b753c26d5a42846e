"""The policy laboratory: admission policies against a lagging upstream, in virtual time.

What is simulated is the upstream (`shmlimit.emulate`'s account, on a virtual clock), its network and its users. What is
not simulated is ours: the compiled core with its clock set by hand, and the poller's own policy functions.
"""

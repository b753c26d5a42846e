"""The core by itself, without Python: what a pair of calls costs beside what it could cost at least."""

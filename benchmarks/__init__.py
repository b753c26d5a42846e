"""What shmlimit costs, beside what users would have without it."""

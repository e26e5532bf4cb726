"""Many fits of one candidate in one batch."""

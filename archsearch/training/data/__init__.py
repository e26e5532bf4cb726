"""What a fit is handed, and the smooth of it."""

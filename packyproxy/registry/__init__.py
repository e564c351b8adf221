"""Which models exist, and what a requested name means; pure."""

"""What has happened, in numbers and events: pure, bounded, and without a word of what was said."""

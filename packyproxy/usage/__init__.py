"""What happened, in numbers: pure, bounded, and without a word of what was said."""

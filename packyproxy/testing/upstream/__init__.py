"""A provider that answers from a script: what it says, what it refuses, and how it breaks."""

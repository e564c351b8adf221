"""What the questions share: servers and their upstream, load, what is counted, and how it is told."""

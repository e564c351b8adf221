"""Follow the files of the configuration while it is in force."""

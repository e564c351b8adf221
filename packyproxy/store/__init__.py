"""Where state lives that outlives a request: a small key-value store, and one in memory."""

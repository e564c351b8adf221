"""The ASGI components over one runtime; each can be mounted alone."""

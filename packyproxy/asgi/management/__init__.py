"""The management API, ``/v0/management/*``: see and change how the proxy runs, while it runs."""

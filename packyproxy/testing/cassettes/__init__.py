"""Recordings of upstreams without their content: made, kept, looked at and played (docs/cassettes.md)."""

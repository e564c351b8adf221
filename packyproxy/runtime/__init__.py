"""The running proxy: the only floor that talks to upstreams, keeps time and makes ids."""

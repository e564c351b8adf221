"""Shows that no content and no key gets out of the proxy but to where it is meant to go.

Whatever can hold words of somebody holds canaries; requests go every way that requests can go; and everything
that can be observed of the proxy is searched. ``proof.prove`` does it all.
"""

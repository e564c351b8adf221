"""The Responses API as a client protocol: passed on, and put right where upstreams differ (wire-mapping 7).

Client to upstream: ``request`` with ``items``, ``tools``, ``options`` and ``tokens``, and ``headers``.
Upstream to client: ``stream`` with ``reading``, ``lifecycle`` and ``output``; ``fold`` makes the non-stream
answer. ``protocol`` puts both directions together. ``compact`` and ``search`` are the endpoints beside it,
answered in one document each (``unary``).
"""

"""The Anthropic Messages protocol around the Responses hub (wire-mapping 1-5).

Client to upstream: ``request`` with ``history``, ``turns``, ``content`` and ``tools``. Upstream to client:
``stream`` with ``items``, ``blocks``, ``web_search`` and ``finish``; ``fold`` makes the non-stream answer of
the same frames. ``facts`` is what the second direction must know of the first. ``protocol`` puts both
directions together.
"""

"""The OpenAI Chat Completions protocol around the Responses hub (wire-mapping 6).

Client to upstream: ``request`` with ``turns``, ``history``, ``parts`` and ``tools``. Upstream to client:
``stream`` with ``items``, ``chunks`` and ``finish``; ``fold`` makes the non-stream answer of the same chunks.
``facts`` is what the second direction must know of the first. ``protocol`` puts both directions together.
"""

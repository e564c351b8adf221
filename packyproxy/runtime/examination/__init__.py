"""Examine one provider: closely, as ``packyproxy doctor`` does, or with one question."""

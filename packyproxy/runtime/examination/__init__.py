"""Examine one provider closely, as ``packyproxy doctor`` does."""

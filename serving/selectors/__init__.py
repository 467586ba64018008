"""Reads across serving's tables."""

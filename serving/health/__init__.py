"""Measures the parts of the house, in bounded time."""

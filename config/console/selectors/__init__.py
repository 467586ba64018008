"""Reads for pages, each in a fixed number of queries."""

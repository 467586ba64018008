"""Reads of the deliveries room."""

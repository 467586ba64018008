"""Doors of the deliveries room."""

"""The accounts' API, and the base of every room's views."""

"""Routable = wanted ∩ permitted ∩ proven − stopped, asked of what runs."""

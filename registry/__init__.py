"""FACTS: adapters, versions, blobs, aliases, base models."""

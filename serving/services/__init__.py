"""The only writers of serving's tables."""

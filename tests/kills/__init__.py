"""Processes of a whole Formulary are killed in the middle of what they do."""

"""The console: unfold's admin site with pages of our own; a thin top layer."""

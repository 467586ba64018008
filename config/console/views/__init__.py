"""Views of the console: read, show, and hand one act to one service."""

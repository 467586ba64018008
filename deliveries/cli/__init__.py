"""The command ``formulary`` for pipelines: talks HTTP with a server, and imports no Django."""

"""The data plane: an OpenAI-compatible ASGI application over a routing snapshot."""

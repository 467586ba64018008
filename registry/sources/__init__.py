"""Plug-ins that say where bytes may come from; none imports Django."""

"""The page of nodes: what is where."""

from typing import Any

from config.console.selectors.nodes import nodes_page
from config.console.views.page import Page


class NodesView(Page):
    """All nodes."""

    template_name = "console/nodes.html"

    def context(self) -> dict[str, Any]:
        """Nodes with their bars, and the matrix."""
        return {"title": "Nodes", "page": nodes_page()}

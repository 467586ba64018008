"""The page of nodes: what is where."""

from typing import Any

from django.utils.translation import gettext as _

from config.console.paging import key_page
from config.console.selectors.nodes import node_list, nodes_page
from config.console.views.page import Page

NODES_SHOWN = 24


class NodesView(Page):
    """All nodes."""

    template_name = "console/nodes.html"

    def context(self) -> dict[str, Any]:
        """Nodes with their bars, and the matrix of what is on them."""
        query = self.read_list_filters(q=None)
        found = key_page(node_list(query), query, size=NODES_SHOWN)
        return {
            "title": _("Nodes"),
            "list": found,
            "page": nodes_page(found.rows),
            "query": query,
            "is_filtered": bool(query.get("q")),
        }

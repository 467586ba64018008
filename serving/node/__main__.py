"""``python -m serving.node``: a node without Django."""

import sys

from serving.node.server import main

sys.exit(main())

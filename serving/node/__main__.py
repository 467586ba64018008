"""``python -m serving.node``: a node without Django."""

import sys

from config.core.starting import undisturbed_imports

with undisturbed_imports():
    from serving.node.server import main

sys.exit(main())

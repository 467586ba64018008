"""Settings: typed reads of the environment; a wrong value fails at start and names itself."""

# ruff: noqa: F403 - Django reads every name from here
from .api import *
from .contracts import *
from .databases import *
from .house import *
from .outgoing import *
from .signing_in import *
from .site import *
from .storage import *
from .web_safety import *
from .work import *

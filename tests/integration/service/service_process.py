"""A complete service that a test can kill, with real signals, drain and exit codes.

python service_process.py SETTINGS [ROLE…]
"""

from __future__ import annotations

import sys
from pathlib import Path

from southbound.operations.run_service import run_service
from southbound.service.roles import Role
from southbound.settings.settings import load_settings

if __name__ == "__main__":
    sys.exit(run_service(load_settings(Path(sys.argv[1]), {}), [Role(name) for name in sys.argv[2:]], None))

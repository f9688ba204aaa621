"""Run one command with SOUTHBOUND_STORE__URL set to a PostgreSQL that lives as long as the command."""  # noqa: INP001 - run by path

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.fixtures.postgres import INITDB_MISSING, find_programs, throw_away_cluster


def main() -> int:
    """Return the exit code of the command."""
    programs = find_programs()
    if programs is None:
        sys.exit(INITDB_MISSING)
    with throw_away_cluster(programs) as url:
        environment = {**os.environ, "SOUTHBOUND_STORE__URL": url}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode  # noqa: S603 - the caller's command


if __name__ == "__main__":
    sys.exit(main())

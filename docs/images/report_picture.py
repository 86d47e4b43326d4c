"""Take the picture of the demo's report that stands in the README.

    make demo
    .venv/bin/python docs/images/report_picture.py reports/demo/planted/report.html docs/images/demo-report.png

Needs Chromium; the page itself makes no request.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

SIZE = "1280,1500"


def main() -> int:
    """Open the page in a headless browser with a profile of its own."""
    report, picture = (Path(argument).resolve() for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        command += [f"--user-data-dir={profile}", f"--window-size={SIZE}", "--hide-scrollbars"]
        return subprocess.run([*command, f"--screenshot={picture}", report.as_uri()], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

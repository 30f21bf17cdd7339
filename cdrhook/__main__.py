"""The console script `cdrhook`: manage.py by another name."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the management command named in sys.argv."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdrhook.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

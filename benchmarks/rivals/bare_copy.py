"""Rows of a CSV file into PostgreSQL as one would by hand: csv and COPY, nothing else.

    python -m benchmarks.rivals.bare_copy FILE DATABASE_URL

Makes the table `bare` with the columns of Asterisk's Master.csv. Nothing is made of the
rows, nothing is indexed, and no row is looked for.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Final

import psycopg

_TEXTS: Final = (
    *("accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel"),
    *("lastapp", "lastdata"),
)
TABLE: Final = f"""
CREATE TABLE bare (
    {", ".join(f"{name} text" for name in _TEXTS)},
    start timestamp, answer timestamp, "end" timestamp,
    duration integer, billsec integer, disposition text, amaflags text,
    uniqueid text, userfield text, peeraccount text, linkedid text, sequence integer
)
"""
_TIMES: Final = slice(len(_TEXTS), len(_TEXTS) + 3)


def main() -> None:
    """One transaction, as COPY is fastest."""
    file, url = sys.argv[1:]
    with psycopg.connect(url) as connected, Path(file).open(newline="") as rows:
        connected.execute(TABLE.encode())
        with connected.cursor().copy("COPY bare FROM STDIN") as into:
            for row in csv.reader(rows):
                moments: list[str | None] = [moment or None for moment in row[_TIMES]]
                into.write_row([*row[: _TIMES.start], *moments, *row[_TIMES.stop :]])


if __name__ == "__main__":
    main()

#!/usr/bin/env python
"""Django's command line for this project; `cdrhook` is the same by another name."""

from cdrhook.__main__ import main

if __name__ == "__main__":
    main()

"""What goes into the wheel; everything else about it stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["cdrhook", "cdrhook.*", "dispatcher", "dispatcher.*"]),
        # The project's own templates live beside the packages (package-dir).
        "cdrhook.templates",
    ]
)

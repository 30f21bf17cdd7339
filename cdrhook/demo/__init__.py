"""Shows cdrhook at work: a PBX that reports calls, receivers good and bad."""

"""What a user would pick instead: programs that are measured beside cdrhook."""

"""The application whose calls are sent."""

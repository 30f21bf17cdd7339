"""A small Django project that sends its calls with django-webhook."""

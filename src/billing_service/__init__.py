"""The composition root: settings, container, application, background tasks, command line."""

"""The command ``pigeon-edge``: one file a command; data on stdout, talk on stderr."""

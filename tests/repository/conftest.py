"""Makes what lies here importable for the tests below, too: pytest puts the directory of every conftest on the path."""

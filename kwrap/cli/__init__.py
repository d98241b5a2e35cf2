"""The command line: one file per command. A command reads its options, asks the library, and renders what it gives."""

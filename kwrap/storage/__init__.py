"""Where bytes lie: one small interface (`base`), and a file for every kind of place."""

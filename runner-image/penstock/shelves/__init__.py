"""Where serialised results lie: as files of any file system, or under an index in SQLite."""

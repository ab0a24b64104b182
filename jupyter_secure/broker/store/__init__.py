"""Where the broker remembers: one database, one folder, and writes that survive a power cut.

`database` opens and migrates, `tables/` holds one noun family a file, `folder` is the vault on disk, `durable` writes
files. Nothing here knows what a row means. SQLAlchemy is imported only by the functions and modules that need it.
"""

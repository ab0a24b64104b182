"""The `jupyter secure` command, one file per subcommand; runs as the owner of the vault."""

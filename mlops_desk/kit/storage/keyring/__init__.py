"""A person's keyring (Secret Service, KWallet) as a place for their secrets, asked in a child process."""

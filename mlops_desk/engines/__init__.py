"""Where containers run. ``engine`` is the protocol, ``docker`` the real one, ``fake`` the shipped double."""

"""What every feature stands on: settings, processes, disk, network, storage, the API, the window's parts."""

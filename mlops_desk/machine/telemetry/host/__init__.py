"""Reading the host: processors, memory, disks, networks, and processes. The collector's side."""

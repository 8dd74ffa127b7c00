"""What a monitor's columns mean to its model: asked for by a person, found in a container, kept with the monitor."""

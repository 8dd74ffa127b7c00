"""What is changed in a registry beside aliases: tags, descriptions, runs, versions; and how each is taken back."""

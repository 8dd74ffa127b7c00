"""Many runs at once: compared, overlaid, as lines over parallel axes, as points, by what mattered."""

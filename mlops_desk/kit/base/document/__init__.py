"""Documents that people write (jobs, rules): YAML read into typed tables that know where each value stands."""

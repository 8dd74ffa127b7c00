"""What is measured beside the traffic: logged requests against another revision, variants against one another."""

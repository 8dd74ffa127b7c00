"""The job file: how a person writes down what is to run, and where in it something is wrong."""

"""What is done with an endpoint's model beside its traffic, put together."""

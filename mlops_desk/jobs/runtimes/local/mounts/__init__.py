"""Which folders of the host a job may mount, looked at as its submitter, and again once the engine has mounted them."""

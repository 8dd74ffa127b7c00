"""Cards as people ask for them as files, and how whatever the agent makes becomes one."""

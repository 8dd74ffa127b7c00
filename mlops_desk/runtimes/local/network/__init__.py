"""What a job's container gets of the network: the way out, logins as files in memory, and whose images are whose."""

"""The folder in memory in which an agent lays secrets and logins: held while it lives, swept when nobody needs it."""

"""Ways to people that leave this machine or this program: mail by SMTP, and a program of the owner."""

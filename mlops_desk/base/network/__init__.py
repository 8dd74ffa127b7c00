"""The way out of this machine: proxy, certificates, package index; one group of settings for all who go it."""

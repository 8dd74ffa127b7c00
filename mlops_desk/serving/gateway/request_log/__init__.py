"""The gateway's request log: what is kept while requests are answered, and how it becomes Parquet."""

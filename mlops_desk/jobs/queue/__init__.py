"""Who starts when, and on which GPUs. Pure: what waits, what runs and what there is goes in, a plan comes out."""

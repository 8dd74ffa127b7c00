"""Where jobs run: what is asked of any runtime (``runtime``), and each in a folder of its own.

Above the engines and the ledger of GPUs, below the features: jobs speak ``Runtime`` and know of no engine.
"""

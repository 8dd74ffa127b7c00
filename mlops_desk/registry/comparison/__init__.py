"""What differs between runs, or between versions of models: in numbers, parameters, data, environment and code.

``equality`` and ``direction`` decide over values, ``facts`` gathers what is known of one run, ``rows`` lays several
side by side: all pure. ``code`` compares two trees of files, ``curves`` keeps the shape of a long curve in few
points, ``importance`` asks a worker which parameters matter. ``run_verbs`` and ``version_verbs`` have the verbs.
"""

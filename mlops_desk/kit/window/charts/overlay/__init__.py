"""Many curves on one plot, a thousand of them too: laid over one another, smoothed, grouped, zoomed.

Loads numpy: whoever shows a plot of this folder imports it when it is first shown, in a worker thread.
"""

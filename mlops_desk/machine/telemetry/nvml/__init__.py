"""Reading NVIDIA GPUs: the only place that knows NVML. The collector's side."""

/* MIG instances, and what Hopper's counters say of a GPU or an instance between two samples (GPM). */
#include <stdlib.h>
#include "sim.h"

enum { MOST_AT_ONCE = 7, HOPPER = 9 };

NVML nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *out)
{
	DEVICE(device);
	NEED(out);
	*out = in_instances(&call) ? MOST_AT_ONCE : 0;
	return OK;
}

NVML nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index, nvmlDevice_t *out)
{
	DEVICE(device);
	NEED(out);
	if (!in_instances(&call) || index >= call.g->n_instances)
		return NOT_FOUND;
	*out = &parts[call.gpu][index];
	return OK;
}

#define ID(name, field) \
	NVML name(nvmlDevice_t device, unsigned *out) \
	{ DEVICE_OR_INSTANCE(device); NEED(out && call.instance >= 0); *out = call.g->instances[call.instance].field; return OK; }
ID(nvmlDeviceGetGpuInstanceId, gi)
ID(nvmlDeviceGetComputeInstanceId, ci)

NVML nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned gi, nvmlGpuInstance_t *out)
{
	DEVICE(device);
	NEED(out);
	for (unsigned i = 0; i < call.g->n_instances; i++)
		if (call.g->instances[i].gi == gi) {
			*out = &parts[call.gpu][i];
			return OK;
		}
	return NOT_FOUND;
}

NVML nvmlGpuInstanceGetInfo(nvmlGpuInstance_t instance, nvmlGpuInstanceInfo_t *out)
{
	DEVICE_OR_INSTANCE(instance);
	NEED(out && call.instance >= 0);
	const struct instance *one = &call.g->instances[call.instance];
	*out = (nvmlGpuInstanceInfo_t){ &whole[call.gpu], one->gi, 0, one->start, one->slices };
	return OK;
}

/* ---- GPM ---- */

struct gpm_sample { bool taken; int gpu; unsigned gi; double t, util, memutil; struct counters counted; };

static bool has_gpm(const struct call *call) { return scene->gpm && number(call->moment, K_arch) >= HOPPER; }

NVML nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *out)
{
	DEVICE(device);
	NEED(out);
	out->isSupportedDevice = has_gpm(&call);
	return OK;
}

NVML nvmlGpmSampleAlloc(nvmlGpmSample_t *out) { SYSTEM(); NEED(out); *out = calloc(1, sizeof **out); return *out ? OK : OUT_OF_MEMORY; }
NVML nvmlGpmSampleFree(nvmlGpmSample_t sample) { SYSTEM(); NEED(sample); free(sample); return OK; }

static void sample_of(const struct call *call, unsigned gi, nvmlGpmSample_t out)
{
	struct moment *m = call->moment;
	*out = (struct gpm_sample){ true, call->gpu, gi, m->t, number(m, K_util), number(m, K_memutil), *counted(call->gpu) };
	if (gi == NO_INSTANCE)
		return;
	out->util = process_load(call->gpu, gi, m, K_proc_sm);
	out->memutil = process_load(call->gpu, gi, m, K_proc_memutil);
}

NVML nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
	DEVICE(device);
	NEED(sample);
	SUPPORTED(has_gpm(&call));
	sample_of(&call, NO_INSTANCE, sample);
	return OK;
}

NVML nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned gi, nvmlGpmSample_t sample)
{
	DEVICE(device);
	NEED(sample);
	SUPPORTED(has_gpm(&call));
	for (unsigned i = 0; i < call.g->n_instances; i++)
		if (call.g->instances[i].gi == gi) {
			sample_of(&call, gi, sample);
			return OK;
		}
	return INVALID_ARGUMENT;
}

/* Every kind of activity is a fixed part of how busy the GPU is; traffic is what was counted in between, in MiB/s. */
static nvmlReturn_t measure(const struct gpm_sample *a, const struct gpm_sample *b, nvmlGpmMetric_t *metric)
{
	static const double MIB_IN_KILOBYTES = 1048.576;
	double busy = (a->util + b->util) / 2, seconds = b->t - a->t, kilobytes = 0;
	switch (metric->metricId) {
	case 1: metric->value = busy; return OK;
	case 2: metric->value = busy * 0.9; return OK;
	case 3: metric->value = busy * 0.45; return OK;
	case 5: case 7: metric->value = busy * 0.5; return OK;
	case 10: metric->value = (a->memutil + b->memutil) / 2; return OK;
	case 12: metric->value = busy * 0.2; return OK;
	case 20: kilobytes = b->counted.pcie_tx - a->counted.pcie_tx; break;
	case 21: kilobytes = b->counted.pcie_rx - a->counted.pcie_rx; break;
	case 60: kilobytes = b->counted.nvlink_rx - a->counted.nvlink_rx; break;
	case 61: kilobytes = b->counted.nvlink_tx - a->counted.nvlink_tx; break;
	default: return NOT_SUPPORTED;
	}
	metric->value = seconds > 0 ? kilobytes / MIB_IN_KILOBYTES / seconds : 0;
	return OK;
}

NVML nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *request)
{
	SYSTEM();
	NEED(request);
	const struct gpm_sample *a = request->sample1, *b = request->sample2;
	NEED(a && b && a->taken && b->taken && a->gpu == b->gpu && a->gi == b->gi);
	for (unsigned i = 0; i < request->numMetrics; i++)
		request->metrics[i].nvmlReturn = measure(a, b, &request->metrics[i]);
	return OK;
}

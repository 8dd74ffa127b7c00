/* The system, and what a GPU is and does: one function for each question. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "sim.h"

static nvmlReturn_t text(char *out, unsigned size, const char *answer)
{
	NEED(out);
	return (unsigned)snprintf(out, size, "%s", answer) < size ? OK : INSUFFICIENT_SIZE;
}

__attribute__((visibility("default"))) const char *nvmlErrorString(nvmlReturn_t code)
{
	switch (code) {
	case OK: return "Success";
	case UNINITIALIZED: return "Uninitialized";
	case INVALID_ARGUMENT: return "Invalid Argument";
	case NOT_SUPPORTED: return "Not Supported";
	case NO_PERMISSION: return "Insufficient Permissions";
	case NOT_FOUND: return "Not Found";
	case INSUFFICIENT_SIZE: return "Insufficient Size";
	case DRIVER_NOT_LOADED: return "Driver Not Loaded";
	case TIMEOUT: return "Timeout";
	case FUNCTION_NOT_FOUND: return "Function Not Found";
	case GPU_IS_LOST: return "GPU is lost";
	case RESET_REQUIRED: return "GPU requires reset";
	case OPERATING_SYSTEM: return "The operating system has blocked the request";
	case LIB_RM_VERSION_MISMATCH: return "Driver/library version mismatch";
	case VERSION_MISMATCH: return "Argument version mismatch";
	default: return "Unknown Error";
	}
}

NVML nvmlSystemGetDriverVersion(char *out, unsigned size) { SYSTEM(); return text(out, size, scene->driver); }
NVML nvmlSystemGetCudaDriverVersion(int *out)
{
	SYSTEM();
	NEED(out);
	*out = (int)lround(scene->cuda * 100) * 10; /* 13.2 is 13020 */
	return OK;
}

/* ---- handles ---- */

NVML nvmlDeviceGetCount_v2(unsigned *out) { SYSTEM(); NEED(out); *out = n_listed; return OK; }
NVML nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *out)
{
	SYSTEM();
	NEED(out && index < n_listed && (unsigned)listed[index] < scene->n_gpus);
	TRY(reach(&call, listed[index]));
	*out = &whole[listed[index]];
	return OK;
}

/* ---- what it is ---- */

NVML nvmlDeviceGetName(nvmlDevice_t device, char *out, unsigned size)
{
	DEVICE_OR_INSTANCE(device);
	char name[160];
	if (call.instance < 0)
		return text(out, size, call.g->name);
	snprintf(name, sizeof name, "%s MIG %s", call.g->name, call.g->instances[call.instance].profile);
	return text(out, size, name);
}

NVML nvmlDeviceGetUUID(nvmlDevice_t device, char *out, unsigned size)
{
	DEVICE_OR_INSTANCE(device);
	return text(out, size, call.instance < 0 ? call.g->uuid : call.g->instances[call.instance].uuid);
}

#define TEXT(name, answer) NVML name(nvmlDevice_t device, char *out, unsigned size) { DEVICE(device); return text(out, size, answer); }
TEXT(nvmlDeviceGetSerial, call.g->uuid + strlen(call.g->uuid) - 12)
TEXT(nvmlDeviceGetBoardPartNumber, "900-00000-0000-000")
TEXT(nvmlDeviceGetVbiosVersion, "96.00.00.00.01")
TEXT(nvmlDeviceGetInforomImageVersion, "G000.0000.00.01")
NVML nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *out) { DEVICE(device); return text(out, 64, scene->driver); }

void describe_bus(const struct gpu *g, nvmlPciInfo_t *out)
{
	*out = (nvmlPciInfo_t){ .domain = g->domain, .bus = g->bus, .device = g->device, .pciDeviceId = 0x233010DE };
	snprintf(out->busIdLegacy, sizeof out->busIdLegacy, "%04X:%02X:%02X.0", g->domain & 0xFFFF, g->bus & 0xFF, g->device & 0xFF);
	snprintf(out->busId, sizeof out->busId, "%08X:%02X:%02X.0", g->domain, g->bus & 0xFF, g->device & 0xFF);
}

NVML nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *out)
{
	DEVICE_OR_INSTANCE(device);
	NEED(out);
	describe_bus(call.g, out);
	return OK;
}

NVML nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
	DEVICE(device);
	NEED(major && minor);
	*major = (int)OF(cc);
	*minor = (int)lround(OF(cc) * 10) % 10;
	return OK;
}

/* A question with one whole number for an answer, where the GPU has something of the kind. */
#define NUMBER(name, has, answer) \
	NVML name(nvmlDevice_t device, unsigned *out) \
	{ DEVICE(device); NEED(out); SUPPORTED(has); *out = whole_number(answer); return OK; }
NUMBER(nvmlDeviceGetMinorNumber, true, OF(minor))
NUMBER(nvmlDeviceGetArchitecture, true, OF(arch))
NUMBER(nvmlDeviceGetNumGpuCores, true, OF(cores))
NUMBER(nvmlDeviceGetMemoryBusWidth, true, OF(bus_width))
NUMBER(nvmlDeviceGetPersistenceMode, true, OF(persistence))
NUMBER(nvmlDeviceGetComputeMode, true, OF(compute_mode))
NUMBER(nvmlDeviceGetDisplayActive, true, OF(display_active))
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, true, OF(pcie_gen_max))
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, true, OF(pcie_width_max))
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, true, OF(pcie_gen))
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, true, OF(pcie_width))
NUMBER(nvmlDeviceGetPerformanceState, true, OF(pstate))
NUMBER(nvmlDeviceGetPowerUsage, true, OF(power) * 1000)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, true, OF(power_limit) * 1000)
NUMBER(nvmlDeviceGetFanSpeed, OF(fans) > 0, OF(fan))

/* A mode as it is now, and as it will be from the next start on. */
#define MODE(name, has, answer) \
	NVML name(nvmlDevice_t device, unsigned *current, unsigned *pending) \
	{ DEVICE(device); NEED(current && pending); SUPPORTED(has); *current = *pending = whole_number(answer); return OK; }
MODE(nvmlDeviceGetEccMode, OF(ecc) >= 0, OF(ecc))
MODE(nvmlDeviceGetMigMode, OF(mig) >= 0, OF(mig))
MODE(nvmlDeviceGetDriverModel_v2, false, 0)

/* ---- what it does ---- */

NVML nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *out)
{
	DEVICE(device);
	NEED(out);
	SUPPORTED(!in_instances(&call));
	*out = (nvmlUtilization_t){ whole_number(OF(util)), whole_number(OF(memutil)) };
	return OK;
}

#define ENGINE(name, answer) \
	NVML name(nvmlDevice_t device, unsigned *out, unsigned *period_us) \
	{ DEVICE(device); NEED(out && period_us); SUPPORTED(!in_instances(&call)); *out = whole_number(answer); *period_us = 167000; return OK; }
ENGINE(nvmlDeviceGetEncoderUtilization, OF(enc))
ENGINE(nvmlDeviceGetDecoderUtilization, OF(dec))
ENGINE(nvmlDeviceGetJpgUtilization, OF(jpg))
ENGINE(nvmlDeviceGetOfaUtilization, OF(ofa))

/* What is used leaves out what the driver reserves. */
static nvmlMemory_v2_t memory(const struct call *call)
{
	double total = number(call->moment, K_mem_total), reserved = number(call->moment, K_mem_reserved);
	double used = number(call->moment, K_mem_used);
	if (call->instance >= 0) {
		const struct instance *one = &call->g->instances[call->instance];
		total = one->mem_total;
		reserved = 0;
		used = one->mem_used ? value(one->mem_used, call->moment)
			: process_load(call->gpu, one->gi, call->moment, K_proc_mem);
	}
	return (nvmlMemory_v2_t){ 0, bytes(total), bytes(reserved), bytes(total - reserved - used), bytes(used) };
}

NVML nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *out)
{
	DEVICE_OR_INSTANCE(device);
	NEED(out);
	if (out->version != VERSION_OF(out, 2))
		return VERSION_MISMATCH;
	*out = memory(&call);
	out->version = VERSION_OF(out, 2);
	return OK;
}

NVML nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *out)
{
	DEVICE_OR_INSTANCE(device);
	NEED(out);
	nvmlMemory_v2_t known = memory(&call);
	*out = (nvmlMemory_t){ known.total, known.free, known.used + known.reserved }; /* which this version calls used */
	return OK;
}

NVML nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *out)
{
	DEVICE(device);
	NEED(out);
	*out = (nvmlBAR1Memory_t){ bytes(OF(bar1)), bytes(OF(bar1) - OF(bar1_used)), bytes(OF(bar1_used)) };
	return OK;
}

/* One of a few numbers, chosen by the argument; with `positive` none of them is 0. */
#define CHOICE(name, positive, ...) \
	NVML name(nvmlDevice_t device, unsigned which, unsigned *out) \
	{ \
		static const enum key CHOICES[] = { __VA_ARGS__ }; \
		DEVICE(device); \
		NEED(out && which < sizeof CHOICES / sizeof *CHOICES); \
		*out = whole_number(number(call.moment, CHOICES[which])); \
		return positive && !*out ? NOT_SUPPORTED : OK; \
	}
CHOICE(nvmlDeviceGetClockInfo, false, K_clk_gr, K_clk_sm, K_clk_mem, K_clk_video)
CHOICE(nvmlDeviceGetMaxClockInfo, true, K_clk_gr_max, K_clk_sm_max, K_clk_mem_max, K_clk_video_max)
CHOICE(nvmlDeviceGetTemperature, false, K_temp)
CHOICE(nvmlDeviceGetTemperatureThreshold, true, K_t_shutdown, K_t_slowdown, K_t_mem_max, K_t_max)
CHOICE(nvmlDeviceGetPcieThroughput, false, K_pcie_tx, K_pcie_rx)

#define REASONS(name) \
	NVML name(nvmlDevice_t device, u64 *out) { DEVICE(device); NEED(out); *out = (u64)OF(throttle); return OK; }
REASONS(nvmlDeviceGetCurrentClocksEventReasons)
REASONS(nvmlDeviceGetCurrentClocksThrottleReasons)

/* ---- where it hangs ---- */

enum { SAME_GPU = 0, HOST_BRIDGE = 30, NODE = 40, ACROSS = 50, CPUS_OF_NODE = 32 };

NVML nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device, nvmlDevice_t other, unsigned *out)
{
	DEVICE(device);
	NEED(out && other && (unsigned)other->gpu < scene->n_gpus);
	struct moment *there = at_present(other->gpu);
	*out = other->gpu == call.gpu ? SAME_GPU
		: number(there, K_root) == OF(root) ? HOST_BRIDGE
		: number(there, K_numa) == OF(numa) ? NODE : ACROSS;
	return OK;
}

NVML nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned words, u64 *out)
{
	DEVICE(device);
	NEED(out && words);
	memset(out, 0, words * sizeof *out);
	unsigned first = whole_number(OF(numa)) * CPUS_OF_NODE;
	for (unsigned cpu = first; cpu < first + CPUS_OF_NODE && cpu / 64 < words; cpu++)
		out[cpu / 64] |= 1ull << cpu % 64;
	return OK;
}

/* ---- NVLink ---- */

#define LINK(device, link) DEVICE(device); SUPPORTED(OF(nvlinks) > 0); NEED((link) < OF(nvlinks)); \
	SUPPORTED(!((u64)OF(nvlink_down) >> (link) & 1))

/* Without a switch the links lead to the other GPUs in turn. */
static int peer_of(int gpu, unsigned link)
{
	unsigned others = scene->n_gpus - 1;
	return others ? (int)((unsigned)gpu + 1 + link % others) % (int)scene->n_gpus : -1;
}

NVML nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned link, unsigned *out)
{
	enum { TO_GPU = 0, TO_SWITCH = 2 };
	LINK(device, link);
	NEED(out);
	SUPPORTED(OF(nvswitch) != 0 || peer_of(call.gpu, link) >= 0);
	*out = OF(nvswitch) != 0 ? TO_SWITCH : TO_GPU;
	return OK;
}

NVML nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned link, nvmlPciInfo_t *out)
{
	LINK(device, link);
	NEED(out);
	SUPPORTED(OF(nvswitch) == 0 && peer_of(call.gpu, link) >= 0);
	describe_bus(&scene->gpus[peer_of(call.gpu, link)], out);
	return OK;
}

/* NVML's types and numbers as its clients see them: as many as the program asks for, laid out as in the public binding. */
#ifndef ABI_H
#define ABI_H

#include <assert.h>

typedef unsigned nvmlReturn_t;
typedef struct device *nvmlDevice_t;
typedef struct device *nvmlGpuInstance_t;
typedef struct event_set *nvmlEventSet_t;
typedef struct event_set *nvmlSystemEventSet_t;
typedef struct gpm_sample *nvmlGpmSample_t;
typedef unsigned long long u64;

enum {
	OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6,
	INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, TIMEOUT = 10, FUNCTION_NOT_FOUND = 13, GPU_IS_LOST = 15,
	RESET_REQUIRED = 16, OPERATING_SYSTEM = 17, LIB_RM_VERSION_MISMATCH = 18, OUT_OF_MEMORY = 20,
	VERSION_MISMATCH = 25, DEPRECATED = 26, GPU_NOT_FOUND = 28, UNKNOWN = 999
};

enum { THROTTLE_POWER = 0x4, THROTTLE_SYNC = 0x10, THROTTLE_SOFTWARE_THERMAL = 0x20, THROTTLE_HARDWARE_THERMAL = 0x40,
	THROTTLE_BRAKE = 0x80 };

#define EVENT_XID 0x8ull
#define EVENT_UNBIND (1ull << 40) /* of the system, not of a GPU: the library gives them numbers of their own */
#define EVENT_BIND (1ull << 41)
#define ALL_LINKS 0xFFFFFFFFu
#define NO_INSTANCE 0xFFFFFFFFu
#define NOT_AVAILABLE (~0ull)

enum { TYPE_UNSIGNED = 1, TYPE_UNSIGNED_LONG_LONG = 3 };

typedef struct {
	char busIdLegacy[16];
	unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
	char busId[32];
} nvmlPciInfo_t;
typedef struct { u64 total, free, used; } nvmlMemory_t;
typedef struct { unsigned version; u64 total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct { u64 bar1Total, bar1Free, bar1Used; } nvmlBAR1Memory_t;
typedef struct { unsigned gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned pid; u64 timeStamp; unsigned smUtil, memUtil, encUtil, decUtil; } nvmlProcessUtilization_t;
typedef struct {
	unsigned gpuUtilization, memoryUtilization;
	u64 maxMemoryUsage, time, startTime;
	unsigned isRunning, reserved[5];
} nvmlAccountingStats_t;
typedef struct {
	unsigned fieldId, scopeId;
	long long timestamp, latencyUsec;
	unsigned valueType;
	nvmlReturn_t nvmlReturn;
	u64 value;
} nvmlFieldValue_t;
typedef struct { nvmlDevice_t device; u64 eventType, eventData; unsigned gpuInstanceId, computeInstanceId; } nvmlEventData_t;
typedef struct { nvmlDevice_t device; unsigned id, profileId, start, size; } nvmlGpuInstanceInfo_t;
typedef struct { unsigned version, isSupportedDevice; } nvmlGpmSupport_t;
typedef struct { unsigned metricId; nvmlReturn_t nvmlReturn; double value; const char *names[3]; } nvmlGpmMetric_t;
typedef struct {
	unsigned version, numMetrics;
	nvmlGpmSample_t sample1, sample2;
	nvmlGpmMetric_t metrics[];
} nvmlGpmMetricsGet_t;
typedef struct { unsigned version; nvmlSystemEventSet_t set; } nvmlSystemEventSetRequest_t;
typedef struct { unsigned version; u64 eventTypes; nvmlSystemEventSet_t set; } nvmlSystemRegisterEventRequest_t;
typedef struct { u64 eventType; unsigned gpuId; } nvmlSystemEventData_t;
typedef struct {
	unsigned version, timeoutms;
	nvmlSystemEventSet_t set;
	nvmlSystemEventData_t *data;
	unsigned dataSize, numEvent;
} nvmlSystemEventSetWaitRequest_t;

static_assert(sizeof(nvmlPciInfo_t) == 68, "as in the binding");
static_assert(sizeof(nvmlMemory_v2_t) == 40, "as in the binding");
static_assert(sizeof(nvmlProcessUtilization_t) == 32, "as in the binding");
static_assert(sizeof(nvmlAccountingStats_t) == 56, "as in the binding");
static_assert(sizeof(nvmlFieldValue_t) == 40, "as in the binding");
static_assert(sizeof(nvmlEventData_t) == 32, "as in the binding");
static_assert(sizeof(nvmlGpmMetric_t) == 40, "as in the binding");
static_assert(sizeof(nvmlSystemEventSetWaitRequest_t) == 32, "as in the binding");

#define VERSION_OF(request, number) ((unsigned)(sizeof(*(request)) | (number) << 24))

#endif

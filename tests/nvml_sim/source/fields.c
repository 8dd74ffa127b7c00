/* nvmlDeviceGetFieldValues: many numbered questions in one call. */
#include <math.h>
#include "sim.h"

/* What a GPU must have for a field to have a value. */
enum need { NOTHING, ECC, LINKS, REMAPPING, RETIREMENT, MEMORY_TEMPERATURE };

static bool has(struct moment *m, enum need need)
{
	switch (need) {
	case ECC: return number(m, K_ecc) > 0;
	case LINKS: return number(m, K_nvlinks) > 0;
	case REMAPPING: return number(m, K_row_remap) != 0;
	case RETIREMENT: return number(m, K_row_remap) == 0;
	case MEMORY_TEMPERATURE: return number(m, K_t_mem_max) > 0;
	default: return true;
	}
}

/* Fields that are a number of the GPU. `type` is NVML's: 1 of 32 bits, 3 of 64. */
static const struct { unsigned field; enum key key; double factor; unsigned type; enum need need; } NUMBERS[] = {
	{ 3, K_ecc_cor, 1, TYPE_UNSIGNED_LONG_LONG, ECC }, { 4, K_ecc_unc, 1, TYPE_UNSIGNED_LONG_LONG, ECC },
	{ 5, K_ecc_cor_agg, 1, TYPE_UNSIGNED_LONG_LONG, ECC }, { 6, K_ecc_unc_agg, 1, TYPE_UNSIGNED_LONG_LONG, ECC },
	{ 29, K_retired_sbe, 1, TYPE_UNSIGNED, RETIREMENT }, { 30, K_retired_dbe, 1, TYPE_UNSIGNED, RETIREMENT },
	{ 31, K_retired_pending, 1, TYPE_UNSIGNED, RETIREMENT }, { 38, K_nvlink_crc, 1, TYPE_UNSIGNED_LONG_LONG, LINKS },
	{ 52, K_nvlink_replay, 1, TYPE_UNSIGNED_LONG_LONG, LINKS }, { 59, K_nvlink_recovery, 1, TYPE_UNSIGNED_LONG_LONG, LINKS },
	{ 82, K_temp_mem, 1, TYPE_UNSIGNED, MEMORY_TEMPERATURE }, { 91, K_nvlinks, 1, TYPE_UNSIGNED, NOTHING },
	{ 94, K_pcie_replay, 1, TYPE_UNSIGNED, NOTHING }, { 142, K_remap_cor, 1, TYPE_UNSIGNED, REMAPPING },
	{ 143, K_remap_unc, 1, TYPE_UNSIGNED, REMAPPING }, { 144, K_remap_pending, 1, TYPE_UNSIGNED, REMAPPING },
	{ 145, K_remap_fail, 1, TYPE_UNSIGNED, REMAPPING }, { 173, K_pcie_cor, 1, TYPE_UNSIGNED, NOTHING },
	{ 179, K_pcie_nonfatal, 1, TYPE_UNSIGNED, NOTHING }, { 180, K_pcie_fatal, 1, TYPE_UNSIGNED, NOTHING },
	{ 185, K_power, 1000, TYPE_UNSIGNED, NOTHING }, { 186, K_power_instant, 1000, TYPE_UNSIGNED, NOTHING },
	{ 187, K_power_min, 1000, TYPE_UNSIGNED, NOTHING }, { 188, K_power_max, 1000, TYPE_UNSIGNED, NOTHING },
	{ 189, K_tdp, 1000, TYPE_UNSIGNED, NOTHING }, { 192, K_power_limit, 1000, TYPE_UNSIGNED, NOTHING },
	{ 230, K_recovery, 1, TYPE_UNSIGNED, NOTHING },
};

static nvmlReturn_t answer(nvmlFieldValue_t *f, unsigned type, double number_of)
{
	f->valueType = type;
	f->value = number_of > 0 ? (u64)(number_of + 1e-6) : 0;
	return OK;
}

/* Fields that were counted since the start: the time lost to each cause in ns, and energy in mJ. */
static nvmlReturn_t counted_field(const struct call *call, nvmlFieldValue_t *f)
{
	const struct counters *c = counted(call->gpu);
	double lost;
	switch (f->fieldId) {
	case 74: lost = c->power; break;
	case 75: lost = c->software_thermal + c->hardware_thermal; break; /* drivers add both up, also where they coincide */
	case 76: lost = c->sync; break;
	case 77: case 78: case 79: case 80: case 81: lost = 0; break;
	case 83: return answer(f, TYPE_UNSIGNED_LONG_LONG, (number(call->moment, K_energy0) + c->energy) * 1000);
	case 269: lost = c->software_thermal; break;
	case 270: lost = c->hardware_thermal; break;
	case 271: lost = c->brake; break;
	default: return NOT_SUPPORTED;
	}
	return answer(f, TYPE_UNSIGNED_LONG_LONG, lost * 1e9);
}

/* Fields of one link, or some of them of all at once. */
static nvmlReturn_t link_field(const struct call *call, nvmlFieldValue_t *f)
{
	static const double KILOBYTE_IN_KIB = 1000.0 / 1024.0;
	struct moment *m = call->moment;
	double links = number(m, K_nvlinks), share = f->scopeId == ALL_LINKS ? 1 : 1 / links;
	SUPPORTED(links > 0);
	if (f->fieldId == 138)
		return answer(f, TYPE_UNSIGNED_LONG_LONG, counted(call->gpu)->nvlink_tx * KILOBYTE_IN_KIB * share);
	if (f->fieldId == 139)
		return answer(f, TYPE_UNSIGNED_LONG_LONG, counted(call->gpu)->nvlink_rx * KILOBYTE_IN_KIB * share);
	NEED(f->scopeId < links);
	bool up = !((u64)number(m, K_nvlink_down) >> f->scopeId & 1);
	switch (f->fieldId) {
	case 161: return answer(f, TYPE_UNSIGNED_LONG_LONG, floor(number(m, K_nvlink_replay) * share));
	case 162: return answer(f, TYPE_UNSIGNED_LONG_LONG, floor(number(m, K_nvlink_recovery) * share));
	case 163: return answer(f, TYPE_UNSIGNED_LONG_LONG, floor(number(m, K_nvlink_crc) * share));
	case 164: return answer(f, TYPE_UNSIGNED, up ? number(m, K_nvlink_mbps) : 0);
	case 165: return answer(f, TYPE_UNSIGNED, up);
	case 166: return answer(f, TYPE_UNSIGNED, number(m, K_nvlink_version));
	default: return NOT_SUPPORTED;
	}
}

static nvmlReturn_t look_up(const struct call *call, nvmlFieldValue_t *f)
{
	for (unsigned i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
		if (NUMBERS[i].field == f->fieldId) {
			SUPPORTED(has(call->moment, NUMBERS[i].need));
			return answer(f, NUMBERS[i].type, number(call->moment, NUMBERS[i].key) * NUMBERS[i].factor);
		}
	bool of_links = f->fieldId == 138 || f->fieldId == 139 || (f->fieldId >= 161 && f->fieldId <= 166);
	return of_links ? link_field(call, f) : counted_field(call, f);
}

NVML nvmlDeviceGetFieldValues(nvmlDevice_t device, int n, nvmlFieldValue_t *fields)
{
	DEVICE(device);
	NEED(fields && n > 0);
	for (int i = 0; i < n; i++) {
		fields[i].timestamp = (long long)epoch_us(call.moment->t);
		fields[i].value = 0;
		fields[i].nvmlReturn = look_up(&call, &fields[i]);
	}
	return OK;
}

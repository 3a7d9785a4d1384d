// SPDX-License-Identifier: Apache-2.0
#include "engine/facts.h"

#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "base/buf.h"
#include "engine/engine_internal.h"
#include "os/whole_file.h"

enum { SMALL_FILE_BYTES = 16384, PATH_BYTES = 512, SMALL_MEMORY_MIB = 256 };

// --- small files of /proc and /sys ------------------------------------------------------------------------

static bool text_read(const char *path, buf *ret) {
    return file_read_whole(path, SMALL_FILE_BYTES, ret, NULL) == STATUS_OK;
}

static bool number_read(const char *path, uint64_t *ret) {
    auto_buf text = {0};
    if (!text_read(path, &text)) {
        return false;
    }
    slice line = slice_sub(buf_slice(&text), 0, slice_find(buf_slice(&text), 0, '\n'));
    return slice_to_u64(line, ret); // "max" is no number, and no limit
}

// --- cgroups ----------------------------------------------------------------------------------------------

// The smallest limit in `file` of a control group and its parents below `mount`.
static uint64_t cgroup_limit(const char *mount, slice group, const char *file) {
    uint64_t least = UINT64_MAX;
    for (;;) {
        char path[PATH_BYTES];
        uint64_t limit = 0;
        int n = snprintf(path, sizeof path, "%s%.*s/%s", mount, SLICE_ARG(group), file);
        if (n > 0 && (size_t)n < sizeof path && number_read(path, &limit) && limit < least) {
            least = limit;
        }
        if (group.len == 0) {
            return least >> ENGINE_NO_LIMIT_BYTES_LOG2 != 0 ? UINT64_MAX : least;
        }
        do {
            group.len--;
        } while (group.len > 0 && group.data[group.len] != '/');
    }
}

static slice line_next(slice *rest) {
    size_t end = slice_find(*rest, 0, '\n');
    slice line = slice_sub(*rest, 0, end);
    *rest = slice_sub(*rest, end == SIZE_MAX ? rest->len : end + 1, rest->len);
    return line;
}

// Lines "N:controllers:/path"; version 2 has N = 0 and no controllers. See cgroups(7).
static uint64_t memory_limit(void) {
    auto_buf text = {0};
    if (!text_read("/proc/self/cgroup", &text)) {
        return UINT64_MAX;
    }
    uint64_t least = UINT64_MAX;
    slice rest = buf_slice(&text);
    while (rest.len > 0) {
        slice line = line_next(&rest);
        size_t first = slice_find(line, 0, ':');
        size_t second = first == SIZE_MAX ? SIZE_MAX : slice_find(line, first + 1, ':');
        if (second == SIZE_MAX) {
            continue;
        }
        slice controllers = slice_sub(line, first + 1, second);
        slice group = slice_sub(line, second + 1, line.len);
        group = slice_equal_text(group, "/") ? slice_empty() : group;
        uint64_t limit = UINT64_MAX;
        if (controllers.len == 0) {
            limit = cgroup_limit("/sys/fs/cgroup", group, "memory.max");
        } else if (slice_equal_text(controllers, "memory")) {
            limit = cgroup_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
        }
        least = limit < least ? limit : least;
    }
    return least;
}

// --- the machine ------------------------------------------------------------------------------------------

static uint64_t address_limit(void) {
    struct rlimit r;
    return getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY ? (uint64_t)r.rlim_cur : UINT64_MAX;
}

static uint32_t processor_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

static void features_add(char *text, size_t size, const char *name, bool has) {
    size_t n = strlen(text);
    if (has && n < size) {
        snprintf(text + n, size - n, "%s%s", n == 0 ? "" : " ", name);
    }
}

static void processor_features(char *text, size_t size) {
    text[0] = '\0';
#if defined(__x86_64__)
    features_add(text, size, "sse4.2", __builtin_cpu_supports("sse4.2"));
    features_add(text, size, "popcnt", __builtin_cpu_supports("popcnt"));
    features_add(text, size, "avx", __builtin_cpu_supports("avx"));
    features_add(text, size, "avx2", __builtin_cpu_supports("avx2"));
    features_add(text, size, "fma", __builtin_cpu_supports("fma"));
    features_add(text, size, "bmi1", __builtin_cpu_supports("bmi"));
    features_add(text, size, "bmi2", __builtin_cpu_supports("bmi2"));
    features_add(text, size, "avx512f", __builtin_cpu_supports("avx512f"));
#elif defined(__aarch64__)
    features_add(text, size, "asimd", true);
#endif
}

static void explain(engine_facts *f) {
    if (f->level != ENGINE_POOLED) {
        snprintf(f->reduced, sizeof f->reduced,
                 "no room to reserve 4 GiB of address space for each memory%s: fewer and smaller memories "
                 "and slower "
                 "guests; raise `ulimit -v`%s",
                 f->address_limit_bytes != UINT64_MAX ? " under `ulimit -v`" : "",
                 f->is_overcommit_strict ? " or set vm.overcommit_memory to 0 or 1" : "");
    } else if (f->memory_limit_bytes >> 20 < SMALL_MEMORY_MIB) {
        snprintf(f->reduced, sizeof f->reduced,
                 "the control group allows %llu MiB of memory: few instances stay warm, and large components "
                 "may not "
                 "compile here",
                 (unsigned long long)(f->memory_limit_bytes >> 20));
    }
}

void engine_facts_read(const engine_options *options, engine_facts *ret) {
    *ret = (engine_facts){
        .processors = processor_count(),
        .memory_limit_bytes = memory_limit(),
        .address_limit_bytes = address_limit(),
        .level = engine_level_choose(options),
    };
    struct sysinfo s;
    if (sysinfo(&s) == 0) {
        ret->memory_bytes = (uint64_t)s.totalram * s.mem_unit;
    }
    uint64_t overcommit = 0;
    ret->is_overcommit_strict = number_read("/proc/sys/vm/overcommit_memory", &overcommit) && overcommit == 2;
    if (!number_read("/proc/sys/vm/max_map_count", &ret->mapping_count_max)) {
        ret->mapping_count_max = 0;
    }
    processor_features(ret->processor_features, sizeof ret->processor_features);
    explain(ret);
}

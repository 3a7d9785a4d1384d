// SPDX-License-Identifier: Apache-2.0
#include "engine/fingerprint.h"

#include <stdio.h>

#include "base/check.h"

#if defined(__x86_64__)
#include <cpuid.h>

// The leaves that report instructions; none of them differs between the cores of a machine.
static void processor_text(char *text, size_t size) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    unsigned words[8] = {0};
    if (__get_cpuid(1, &a, &b, &c, &d) != 0) {
        words[0] = c;
        words[1] = d;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
        words[2] = b;
        words[3] = c;
        words[4] = d;
    }
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) {
        words[5] = a;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d) != 0) {
        words[6] = c;
        words[7] = d;
    }
    snprintf(text, size, "x86-64 %08x%08x%08x%08x%08x%08x%08x%08x", words[0], words[1], words[2], words[3],
             words[4], words[5], words[6], words[7]);
}
#else
#include <sys/auxv.h>

static void processor_text(char *text, size_t size) {
    snprintf(text, size, "hwcap %lx %lx", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
}
#endif

// Raise when the configuration of engine.c changes in a way that compiled code depends on.
enum { CONFIGURATION = 1 };

void engine_fingerprint(const engine_options *options, char text[ENGINE_FINGERPRINT_BYTES]) {
    CHECK(options->level != ENGINE_AUTO);
    char processor[128];
    processor_text(processor, sizeof processor);
    snprintf(text, ENGINE_FINGERPRINT_BYTES, "%s, configuration %d, level %s, memory64 %d, %s",
             engine_version(), CONFIGURATION, engine_level_name(options->level), options->has_memory64,
             processor);
}

// SPDX-License-Identifier: Apache-2.0
// Any text: the reader of the host's settings answers with settings or an error that names the line, and is
// never lax: what says "locked" outside of a comment is locked, or refused.
//
// links: host
#include "base/check.h"
#include "fuzz.h"
#include "host/settings.h"

static bool has_setting_locked(slice text) {
    static const char line[] = "\nrequire_signatures=locked\n";
    return text.len >= sizeof line - 1 && memmem(text.data, text.len, line, sizeof line - 1) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    host_settings s = {0};
    err e = {0};
    slice text = slice_of(data, size);
    if (host_settings_parse(text, "host.conf", &s, &e) != STATUS_OK) {
        CHECK(e.code == STATUS_INVALID && strncmp(e.message, "host.conf", 9) == 0);
        CHECK(!s.is_locked && s.trust_store == NULL);
        return 0;
    }
    CHECK(s.is_locked || !has_setting_locked(text));
    CHECK(s.trust_store == NULL ||
          (s.trust_store[0] == '/' && strlen(s.trust_store) < HOST_SETTINGS_PATH_BYTES_MAX));
    host_settings_done(&s);
    return 0;
}

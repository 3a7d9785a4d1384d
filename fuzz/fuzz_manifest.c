// SPDX-License-Identifier: Apache-2.0
// Any text: a manifest is read with errors that have places, and what is valid stays the same when its
// normalised form is read again.
//
// links: deploy
#include "base/check.h"
#include "deploy/manifest.h"
#include "fuzz.h"

enum { TEXT_BYTES_MAX = 16 << 20 };

static void check_findings(const manifest *m) {
    size_t kept = 0;
    const problem *before = NULL;
    for (const problem *p = m->found.first; p != NULL; before = p, p = p->next, kept++) {
        CHECK(p->at.line > 0 && p->at.column > 0 && p->message[0] != '\0' && p->rule[0] != '\0');
        CHECK(before == NULL || before->at.line < p->at.line ||
              (before->at.line == p->at.line && before->at.column <= p->at.column));
    }
    CHECK(kept == m->found.kept && kept <= m->found.error_count + m->found.warning_count);
}

static void normalise(const manifest *m, buf *ret) {
    json_value *v = manifest_to_json(m);
    CHECK(json_write_sorted(v, ret) == STATUS_OK);
    json_free(v);
}

static void read_again(const manifest *m) {
    auto_buf first, second;
    buf_init(&first, TEXT_BYTES_MAX);
    buf_init(&second, TEXT_BYTES_MAX);
    normalise(m, &first);
    manifest *again;
    // What is left out because it is empty may be required when it is read, as in 1.x.
    if (manifest_read(buf_slice(&first), "again", &again) == STATUS_OK) {
        normalise(again, &second);
        CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
    }
    manifest_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    manifest *m;
    status result = manifest_read(slice_of(data, size), "fuzz", &m);
    CHECK((result == STATUS_OK) == (m->found.error_count == 0));
    check_findings(m);
    if (result == STATUS_OK) {
        for (size_t i = 0; i < m->component_count; i++) {
            for (size_t t = 0; t < m->components[i].trait_count; t++) {
                const manifest_trait *trait = &m->components[i].traits[t];
                CHECK(trait->form != MANIFEST_LINK || trait->link.target_component != NULL);
            }
        }
        read_again(m);
    }
    CHECK((manifest_check_local(m) == STATUS_OK) == (m->found.error_count == 0));
    check_findings(m);
    manifest_free(m);
    return 0;
}

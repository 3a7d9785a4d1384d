// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_image.h"

#include "base/mem.h"
#include "os/fd.h"
#include "os/memory_file.h"

#if defined(__x86_64__)
#define MACHINE "x86_64-linux"
#elif defined(__aarch64__)
#define MACHINE "aarch64-linux"
#else
#error "the name that provider archives have for this machine is not known"
#endif

static bool is_program(slice bytes) {
    return slice_starts_with(bytes, "\x7f"
                                    "ELF") ||
           slice_starts_with(bytes, "#!");
}

static status open_plain(slice bytes, const provider_image_rules *rules, provider_image *i, err *e) {
    if (!rules->allows_unsigned) {
        return err_set(
            e, STATUS_DENIED,
            "it is a program without a signature; make a signed archive of it (writ par create), or "
            "allow unsigned ones on this host");
    }
    return memory_file_from_bytes("provider", bytes, &i->program_fd, e);
}

// Unsigned, or signed by somebody whom nobody here trusts with it.
static bool is_merely_untrusted(refusal r) {
    return r == REFUSAL_UNSIGNED || r == REFUSAL_UNKNOWN_ISSUER || r == REFUSAL_WRONG_ISSUER;
}

static status check(const provider_image *i, const provider_image_rules *rules, err *e) {
    refusal r = i->found.reason;
    if (r == REFUSAL_NONE || (rules->allows_unsigned && is_merely_untrusted(r))) {
        return STATUS_OK;
    }
    return err_set(e, r == REFUSAL_MALFORMED ? STATUS_INVALID : STATUS_DENIED, "it is not believed (%s): %s",
                   refusal_name(r), i->found.error.message);
}

static status open_archive(const provider_archive *a, const provider_image_rules *rules, provider_image *i,
                           err *e) {
    provider_archive_verify(a, rules->now_s, rules->trust, &i->found);
    TRY(check(i, rules, e));
    const provider_archive_file *program = provider_archive_find(a, slice_from_text(MACHINE));
    if (program == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "the archive has no program for this machine (" MACHINE ")");
    }
    return provider_archive_open_target(program, &i->program_fd, e);
}

static status read_archive(slice bytes, const provider_image_rules *rules, provider_image *i, err *e) {
    provider_archive *a = MEM_NEW(provider_archive);
    status s = provider_archive_read(bytes, 0, a, e);
    if (s == STATUS_OK) {
        s = open_archive(a, rules, i, e);
        provider_archive_done(a);
    }
    mem_free(a);
    return s;
}

status provider_image_open(slice bytes, const provider_image_rules *rules, provider_image *ret, err *e) {
    *ret = (provider_image){.program_fd = -1};
    if (bytes.len > PROVIDER_IMAGE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "it has more than %d bytes", PROVIDER_IMAGE_BYTES_MAX);
    }
    status s = is_program(bytes) ? open_plain(bytes, rules, ret, e) : read_archive(bytes, rules, ret, e);
    if (s != STATUS_OK) {
        provider_image_done(ret);
    }
    return s;
}

void provider_image_done(provider_image *i) {
    fd_close(i->program_fd);
    i->program_fd = -1;
    provider_archive_verification_done(&i->found);
}

const token_claims *provider_image_claims(const provider_image *i) {
    return i->found.has_token ? &i->found.claims : NULL;
}

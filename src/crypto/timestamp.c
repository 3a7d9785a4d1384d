// SPDX-License-Identifier: Apache-2.0
// The chain is verified at the time in the stamp, which is read first but believed only after its signature
// was found good.
#include "crypto/timestamp.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/ts.h>

#include <time.h>

#include "crypto/certificate_internal.h"

static bool time_of(TS_TST_INFO *info, int64_t *ret) {
    const ASN1_GENERALIZEDTIME *t = TS_TST_INFO_get_time(info);
    struct tm parts = {0};
    if (t == NULL || ASN1_TIME_to_tm(t, &parts) != 1) {
        return false;
    }
    *ret = (int64_t)timegm(&parts); // a fraction of a second is cut
    return true;
}

// The library hashes the message with whatever the stamp names; weak hashes are not accepted.
static bool hash_is_strong(TS_TST_INFO *info) {
    const ASN1_OBJECT *object = NULL;
    TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(info);
    X509_ALGOR *algorithm = imprint == NULL ? NULL : TS_MSG_IMPRINT_get_algo(imprint);
    if (algorithm == NULL) {
        return false;
    }
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    int nid = OBJ_obj2nid(object);
    return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

// Gives everything to a context of the library's, which frees it.
static TS_VERIFY_CTX *context_new(slice message, const certificate_list *certificates,
                                  const certificate_list *roots, int64_t at_s) {
    TS_VERIFY_CTX *c = TS_VERIFY_CTX_new();
    X509_STORE *store = certificate_store(roots, at_s);
    STACK_OF(X509) *borrowed = certificate_stack(certificates);
    STACK_OF(X509) *stack = borrowed == NULL ? NULL : X509_chain_up_ref(borrowed);
    BIO *data = BIO_new_mem_buf(message.len == 0 ? (const void *)"" : message.data, (int)message.len);
    sk_X509_free(borrowed);
    if (c == NULL || store == NULL || stack == NULL || data == NULL) {
        TS_VERIFY_CTX_free(c);
        X509_STORE_free(store);
        sk_X509_pop_free(stack, X509_free);
        BIO_free(data);
        return NULL;
    }
    TS_VERIFY_CTX_set_flags(c, TS_VFY_VERSION | TS_VFY_SIGNATURE | TS_VFY_DATA);
    TS_VERIFY_CTX_set_store(c, store);
    TS_VERIFY_CTX_set_certs(c, stack);
    TS_VERIFY_CTX_set_data(c, data);
    return c;
}

static status verify(TS_RESP *response, slice message, const certificate_list *certificates,
                     const certificate_list *roots, int64_t *ret_time_s, err *e) {
    TS_TST_INFO *info = TS_RESP_get_tst_info(response);
    int64_t at_s;
    if (info == NULL || !time_of(info, &at_s)) {
        return err_set(e, STATUS_DENIED, "the time stamp response holds no time stamp");
    }
    if (!hash_is_strong(info)) {
        return err_set(e, STATUS_DENIED, "the time stamp uses another hash than SHA-256, SHA-384 or SHA-512");
    }
    TS_VERIFY_CTX *c = context_new(message, certificates, roots, at_s);
    if (c == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory to verify a time stamp");
    }
    ERR_clear_error();
    bool good = TS_RESP_verify_response(c, response) == 1;
    const char *why = good ? NULL : ERR_reason_error_string(ERR_peek_error());
    TS_VERIFY_CTX_free(c);
    if (!good) {
        return err_set(e, STATUS_DENIED, "the time stamp is not good: %s",
                       why == NULL ? "unknown reason" : why);
    }
    *ret_time_s = at_s;
    return STATUS_OK;
}

status timestamp_verify(slice response, slice message, const certificate_list *certificates,
                        const certificate_list *roots, int64_t *ret_time_s, err *e) {
    if (response.len > TIMESTAMP_BYTES_MAX || message.len > INT32_MAX) {
        return err_set(e, STATUS_LIMIT, "a time stamp of %zu bytes is larger than %d", response.len,
                       TIMESTAMP_BYTES_MAX);
    }
    const uint8_t *at = response.data;
    TS_RESP *r = response.len == 0 ? NULL : d2i_TS_RESP(NULL, &at, (long)response.len);
    if (r == NULL || at != response.data + response.len) {
        TS_RESP_free(r);
        ERR_clear_error();
        return err_set(e, STATUS_INVALID, "these %zu bytes are no time stamp response", response.len);
    }
    status s = verify(r, message, certificates, roots, ret_time_s, e);
    TS_RESP_free(r);
    ERR_clear_error();
    return s;
}

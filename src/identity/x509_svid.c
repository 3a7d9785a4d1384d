// SPDX-License-Identifier: Apache-2.0
#include "identity/x509_svid.h"

#define OID_EXTENDED_KEY_USAGE "2.5.29.37"

static status read_id(const certificate *leaf, spiffe_id *ret, err *e) {
    slice uri = {0};
    size_t uris = 0;
    for (size_t i = 0; i < certificate_name_count(leaf); i++) {
        certificate_name n = certificate_name_at(leaf, i);
        if (n.kind == CERTIFICATE_NAME_URI) {
            uri = n.text;
            uris++;
        }
    }
    if (uris != 1) {
        return err_set(e, STATUS_INVALID,
                       "an X.509-SVID has exactly one URI among its names, and this certificate has %zu",
                       uris);
    }
    TRY(spiffe_id_parse(uri, ret, e));
    return spiffe_id_path(ret).len > 0
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "the SPIFFE ID of an X.509-SVID has no path");
}

static status check_usage(const certificate *leaf, err *e) {
    slice extension;
    if (certificate_is_authority(leaf)) {
        return err_set(e, STATUS_INVALID, "the certificate is an authority's, which identifies no workload");
    }
    if (!certificate_allows(leaf, CERTIFICATE_DIGITAL_SIGNATURE)) {
        return err_set(e, STATUS_INVALID, "the key usage of an X.509-SVID says no digital signature");
    }
    if (certificate_allows(leaf, CERTIFICATE_CERT_SIGN) || certificate_allows(leaf, CERTIFICATE_CRL_SIGN)) {
        return err_set(e, STATUS_INVALID,
                       "the key usage of an X.509-SVID lets it sign certificates or revocation lists");
    }
    if (certificate_extension(leaf, OID_EXTENDED_KEY_USAGE, &extension) &&
        (!certificate_is_for(leaf, CERTIFICATE_TLS_SERVER) ||
         !certificate_is_for(leaf, CERTIFICATE_TLS_CLIENT))) {
        return err_set(e, STATUS_INVALID,
                       "the extended key usage of an X.509-SVID names not both TLS server and client");
    }
    return STATUS_OK;
}

status x509_svid_check(const certificate_list *chain, const certificate_list *bundle, slice trust_domain,
                       int64_t now_s, spiffe_id *ret, err *e) {
    spiffe_id id;
    if (chain->count == 0) {
        return err_set(e, STATUS_INVALID, "an X.509-SVID without a certificate");
    }
    TRY(read_id(chain->items[0], &id, e));
    TRY(check_usage(chain->items[0], e));
    if (!slice_equal(spiffe_id_trust_domain(&id), trust_domain)) {
        return err_set(e, STATUS_DENIED, "%s is not of the trust domain %.*s", id.text,
                       SLICE_ARG(trust_domain));
    }
    const certificate_list rest = {chain->items + 1, chain->count - 1};
    const certificate_rules rules = {.at_s = now_s, .purpose = CERTIFICATE_ANY_PURPOSE};
    if (certificate_verify(chain->items[0], &rest, bundle, &rules, e) != STATUS_OK) {
        return err_wrap(e, "%s", id.text);
    }
    *ret = id;
    return STATUS_OK;
}

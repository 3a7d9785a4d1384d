// SPDX-License-Identifier: Apache-2.0
#include "lattice/cluster_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper_trust.h"
#include "test.h"

static nkey_public fresh(nkey_kind kind) {
    nkey *k;
    nkey_public key = {0};
    if (nkey_generate(kind, &k, NULL) == STATUS_OK) {
        key = nkey_public_of(k);
        nkey_free(k);
    }
    return key;
}

static status take(void *arg, cluster_file *f, err *e) {
    const cluster_file *from = arg;
    for (int i = 0; i < CLUSTER_LIST_COUNT; i++) {
        for (size_t k = 0; k < from->lists[i].count; k++) {
            TRY(cluster_file_put(f, (cluster_list)i, &from->lists[i].at[k], e));
        }
    }
    f->everybody = from->everybody;
    return STATUS_OK;
}

TEST(what_is_saved_is_read) {
    char directory[] = "/tmp/writ-test-XXXXXX", path[64];
    REQUIRE(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/lattice.json", directory);
    cluster_file f = {.everybody = ROLE_READ}, g;
    err e = {0};
    const cluster_entry issuer = {fresh(NKEY_CLUSTER), TRUST_NOW_S, ROLE_NONE, "ops"},
                        gone = {fresh(NKEY_SERVER), UINT64_MAX, ROLE_NONE, ""},
                        user = {fresh(NKEY_USER), UINT64_MAX, ROLE_OPERATE, "alice"};
    EXPECT_OK(cluster_file_load(path, &g, &e)); // not there
    EXPECT_EQ(g.lists[CLUSTER_ISSUERS].count, 0);
    EXPECT_OK(cluster_file_put(&f, CLUSTER_ISSUERS, &issuer, &e));
    EXPECT_OK(cluster_file_put(&f, CLUSTER_REVOKED, &gone, &e));
    EXPECT_OK(cluster_file_put(&f, CLUSTER_USERS, &user, &e));
    EXPECT_EQ(cluster_file_put(&f, CLUSTER_USERS, &gone, &e), STATUS_INVALID);
    EXPECT_OK(cluster_file_update(path, take, &f, &e));
    EXPECT_OK(cluster_file_load(path, &g, &e));
    EXPECT_EQ(g.everybody, ROLE_READ);
    EXPECT(g.lists[CLUSTER_ISSUERS].count == 1 && g.lists[CLUSTER_ISSUERS].at[0].date_s == TRUST_NOW_S);
    EXPECT(strcmp(g.lists[CLUSTER_USERS].at[0].note, "alice") == 0);
    EXPECT_EQ(g.lists[CLUSTER_USERS].at[0].what, ROLE_OPERATE);
    EXPECT_EQ(g.lists[CLUSTER_REVOKED].at[0].date_s, UINT64_MAX);
    cluster *c = cluster_new();
    roles *r = roles_new(g.everybody);
    EXPECT_OK(cluster_file_apply(&g, c, r, &e));
    EXPECT_EQ(cluster_issuer_count(c), 1);
    EXPECT_EQ(roles_count(r), 1);
    EXPECT(cluster_file_remove(&g, CLUSTER_USERS, &user.key));
    EXPECT(!cluster_file_remove(&g, CLUSTER_USERS, &user.key));
    EXPECT_EQ(chmod(path, 0666), 0);
    cluster_file h;
    EXPECT_EQ(cluster_file_load(path, &h, &e), STATUS_DENIED);
    roles_free(r);
    cluster_free(c);
    cluster_file_done(&f);
    cluster_file_done(&g);
    (void)unlink(path);
    snprintf(path, sizeof path, "%s/lattice.json.lock", directory);
    (void)unlink(path);
    (void)rmdir(directory);
}

TEST(what_is_wrong_is_refused) {
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"version\": 2}",
        "{\"version\": 1, \"trusted\": []}",
        "{\"version\": 1, \"issuers\": {}}",
        "{\"version\": 1, \"issuers\": [{}]}",
        "{\"version\": 1, \"issuers\": [{\"key\": \"CABC\"}]}",
        "{\"version\": 1, \"everybody\": \"root\"}",
        "{\"version\": 1, \"everybody\": 1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cluster_file f;
        EXPECT_EQ(cluster_file_read(slice_from_text(bad[i]), &f, NULL), STATUS_INVALID);
    }
    char text[400];
    const nkey_public key = fresh(NKEY_CLUSTER);
    cluster_file f;
    snprintf(text, sizeof text, "{\"version\": 1, \"issuers\": [{\"key\": \"%s\"}, {\"key\": \"%s\"}]}",
             nkey_public_text(&key).text, nkey_public_text(&key).text);
    EXPECT_EQ(cluster_file_read(slice_from_text(text), &f, NULL), STATUS_INVALID);
    snprintf(text, sizeof text, "{\"version\": 1, \"users\": [{\"key\": \"%s\", \"role\": \"read\"}]}",
             nkey_public_text(&key).text);
    EXPECT_EQ(cluster_file_read(slice_from_text(text), &f, NULL), STATUS_INVALID);
}

// SPDX-License-Identifier: Apache-2.0
#include "capability/offers.h"

#include "wasi/blobstore_blobstore.h"
#include "wasi/blobstore_container.h"
#include "wasi/blobstore_types.h"
#include "wasi/cli_environment.h"
#include "wasi/cli_exit.h"
#include "wasi/cli_stderr.h"
#include "wasi/cli_stdin.h"
#include "wasi/cli_stdout.h"
#include "wasi/cli_terminal_input.h"
#include "wasi/cli_terminal_output.h"
#include "wasi/cli_terminal_stderr.h"
#include "wasi/cli_terminal_stdin.h"
#include "wasi/cli_terminal_stdout.h"
#include "wasi/clocks_monotonic_clock.h"
#include "wasi/clocks_wall_clock.h"
#include "wasi/config_runtime.h"
#include "wasi/config_store.h"
#include "wasi/filesystem_preopens.h"
#include "wasi/filesystem_types.h"
#include "wasi/http_outgoing_handler.h"
#include "wasi/http_types.h"
#include "wasi/io_error.h"
#include "wasi/io_poll.h"
#include "wasi/io_streams.h"
#include "wasi/keyvalue_atomics.h"
#include "wasi/keyvalue_atomics_draft2.h"
#include "wasi/keyvalue_batch.h"
#include "wasi/keyvalue_batch_draft2.h"
#include "wasi/keyvalue_store.h"
#include "wasi/keyvalue_store_draft2.h"
#include "wasi/logging_logging.h"
#include "wasi/random_insecure.h"
#include "wasi/random_insecure_seed.h"
#include "wasi/random_random.h"
#include "wasi/sockets_instance_network.h"
#include "wasi/sockets_ip_name_lookup.h"
#include "wasi/sockets_network.h"
#include "wasi/sockets_tcp.h"
#include "wasi/sockets_tcp_create_socket.h"
#include "wasi/sockets_udp.h"
#include "wasi/sockets_udp_create_socket.h"
#include "wasmcloud/bus_lattice.h"
#include "wasmcloud/bus_lattice_1.h"
#include "wasmcloud/messaging_consumer.h"
#include "wasmcloud/messaging_types.h"
#include "wasmcloud/postgres_prepared.h"
#include "wasmcloud/postgres_query.h"
#include "wasmcloud/postgres_types.h"
#include "wasmcloud/secrets_reveal.h"
#include "wasmcloud/secrets_store.h"
#include "writ/crypto_hash.h"
#include "writ/crypto_hmac.h"
#include "writ/crypto_keys.h"
#include "writ/crypto_signing.h"
#include "writ/crypto_verification.h"

static const wasi_offer offers[] = {
    // Who has a container has it from there; the same link leads to both.
    {&wasi_blobstore_blobstore_interface, WASI_AUTHORITY_LINK},
    {&wasi_blobstore_container_interface, WASI_AUTHORITY_NONE},
    {&wasi_blobstore_types_interface, WASI_AUTHORITY_NONE},
    {&wasi_cli_environment_interface, WASI_AUTHORITY_ENVIRONMENT},
    {&wasi_cli_exit_interface, WASI_AUTHORITY_NONE},
    {&wasi_cli_stderr_interface, WASI_AUTHORITY_STDIO},
    {&wasi_cli_stdin_interface, WASI_AUTHORITY_STDIO},
    {&wasi_cli_stdout_interface, WASI_AUTHORITY_STDIO},
    {&wasi_cli_terminal_input_interface, WASI_AUTHORITY_STDIO},
    {&wasi_cli_terminal_output_interface, WASI_AUTHORITY_STDIO},
    {&wasi_cli_terminal_stderr_interface, WASI_AUTHORITY_STDIO},
    {&wasi_cli_terminal_stdin_interface, WASI_AUTHORITY_STDIO},
    {&wasi_cli_terminal_stdout_interface, WASI_AUTHORITY_STDIO},
    {&wasi_clocks_monotonic_clock_interface, WASI_AUTHORITY_NONE},
    {&wasi_clocks_wall_clock_interface, WASI_AUTHORITY_NONE},
    {&wasi_config_runtime_interface, WASI_AUTHORITY_CONFIG},
    {&wasi_config_store_interface, WASI_AUTHORITY_CONFIG},
    {&wasi_filesystem_preopens_interface, WASI_AUTHORITY_FILES},
    {&wasi_filesystem_types_interface, WASI_AUTHORITY_FILES},
    {&wasi_http_outgoing_handler_interface, WASI_AUTHORITY_HTTP},
    {&wasi_http_types_interface, WASI_AUTHORITY_NONE},
    {&wasi_io_error_interface, WASI_AUTHORITY_NONE},
    {&wasi_io_poll_interface, WASI_AUTHORITY_NONE},
    {&wasi_io_streams_interface, WASI_AUTHORITY_NONE},
    {&wasi_keyvalue_atomics_interface, WASI_AUTHORITY_LINK},
    {&wasi_keyvalue_atomics_draft2_interface, WASI_AUTHORITY_LINK},
    {&wasi_keyvalue_batch_interface, WASI_AUTHORITY_LINK},
    {&wasi_keyvalue_batch_draft2_interface, WASI_AUTHORITY_LINK},
    {&wasi_keyvalue_store_interface, WASI_AUTHORITY_LINK},
    {&wasi_keyvalue_store_draft2_interface, WASI_AUTHORITY_LINK},
    {&wasi_logging_logging_interface, WASI_AUTHORITY_NONE},
    {&wasi_random_insecure_interface, WASI_AUTHORITY_NONE},
    {&wasi_random_insecure_seed_interface, WASI_AUTHORITY_NONE},
    {&wasi_random_random_interface, WASI_AUTHORITY_NONE},
    {&wasi_sockets_instance_network_interface, WASI_AUTHORITY_NETWORK},
    {&wasi_sockets_ip_name_lookup_interface, WASI_AUTHORITY_NETWORK},
    {&wasi_sockets_network_interface, WASI_AUTHORITY_NETWORK},
    {&wasi_sockets_tcp_interface, WASI_AUTHORITY_NETWORK},
    {&wasi_sockets_tcp_create_socket_interface, WASI_AUTHORITY_NETWORK},
    {&wasi_sockets_udp_interface, WASI_AUTHORITY_NETWORK},
    {&wasi_sockets_udp_create_socket_interface, WASI_AUTHORITY_NETWORK},
    {&wasmcloud_bus_lattice_interface, WASI_AUTHORITY_NONE},
    {&wasmcloud_bus_lattice_1_interface, WASI_AUTHORITY_NONE},
    {&wasmcloud_postgres_prepared_interface, WASI_AUTHORITY_LINK},
    {&wasmcloud_postgres_query_interface, WASI_AUTHORITY_LINK},
    {&wasmcloud_postgres_types_interface, WASI_AUTHORITY_NONE},
    {&wasmcloud_messaging_consumer_interface, WASI_AUTHORITY_LINK},
    {&wasmcloud_messaging_types_interface, WASI_AUTHORITY_NONE},
    {&wasmcloud_secrets_reveal_interface, WASI_AUTHORITY_SECRETS},
    {&wasmcloud_secrets_store_interface, WASI_AUTHORITY_SECRETS},
    {&writ_crypto_hash_interface, WASI_AUTHORITY_NONE},
    {&writ_crypto_hmac_interface, WASI_AUTHORITY_LINK},
    {&writ_crypto_keys_interface, WASI_AUTHORITY_LINK},
    {&writ_crypto_signing_interface, WASI_AUTHORITY_LINK},
    {&writ_crypto_verification_interface, WASI_AUTHORITY_NONE},
};

enum { OFFER_COUNT = sizeof offers / sizeof offers[0] };

size_t wasi_offer_count(void) { return OFFER_COUNT; }
const wasi_offer *wasi_offer_at(size_t index) { return &offers[index]; }

const wasi_offer *wasi_offer_find(slice name, const semver *version) {
    const wasi_offer *found = NULL;
    for (size_t i = 0; i < OFFER_COUNT; i++) {
        const host_interface *offered = offers[i].interface;
        if (slice_equal(offered->name, name)) {
            bool fits = version != NULL && semver_compatible(version, &offered->version);
            found = found == NULL || fits ? &offers[i] : found;
        }
    }
    return found;
}

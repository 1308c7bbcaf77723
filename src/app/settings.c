/* app/settings.c -- the one table of settings: name, variable, unit, default, limits, and help.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/settings.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "app/config.h"
#include "http/local.h"
#include "wire/address.h"

#define AT(member) offsetof(struct config, member)
#define ANY UINT32_MAX
#define MIB (1024u * 1024u)

/* Columns: group, kind, name, variable, unit, default, place; then what is allowed. */
const struct setting settings[] = {
    /* The node. */
    {GROUP_NODE, SETTING_TEXT, "server", "KEZ_CHAT_SERVER", "name", "", AT(server),
     .is_good = settings_is_server_name, .allowed = "a host name, perhaps with :port",
     .help = "Name of this server, to which its handles belong; required"},
    {GROUP_NODE, SETTING_TEXT, "bind", "KEZ_CHAT_BIND", "host:port", "0.0.0.0:6969", AT(http.bind),
     .is_good = settings_is_bind, .never_empty = true, .allowed = "host:port, [v6]:port or :port",
     .help = "Public listener; port 0 takes any free port"},
    {GROUP_NODE, SETTING_TEXT, "admin-bind", "KEZ_CHAT_ADMIN_BIND", "host:port", "127.0.0.1:6970",
     AT(http.admin_bind), .is_good = settings_is_bind,
     .allowed = "host:port, [v6]:port, :port, or nothing for no admin listener",
     .help = "Admin listener: /livez, /readyz, /metrics"},
    {GROUP_NODE, SETTING_TEXT, "events-socket", "KEZ_CHAT_EVENTS_SOCKET", "path", "",
     AT(http.events_socket), .is_good = settings_is_socket_path,
     .allowed = "a path of at most 107 bytes, or nothing for no such socket",
     .help =
         "Unix socket that answers like /v1/events at every path, for a router on this machine"},
    {GROUP_NODE, SETTING_TEXT, "events-trust-peer", "KEZ_CHAT_EVENTS_TRUST_PEER", "user ids", "",
     AT(http.events_trust_peers), .is_good = settings_is_user_ids,
     .allowed = "up to 16 numeric user ids, comma separated, or nothing for nobody",
     .help = "Processes of these users name a key there without its signature: only for a router "
             "that has made sure who the caller is"},
    {GROUP_NODE, SETTING_TEXT, "sig-server-url", "KEZ_CHAT_SIG_SERVER_URL", "URL", "",
     AT(sig_server), .is_good = settings_is_http_url, .allowed = "an http:// or https:// URL",
     .help =
         "Server of the sigchains that handle records point to; not set: https:// and --server"},
    {GROUP_NODE, SETTING_TEXT, "web-dir", "KEZ_CHAT_WEB_DIR", "folder", "", AT(http.web_dir),
     .help = "Static files served at /; not set: one plain page"},
    {GROUP_NODE, SETTING_SWITCH, "require-signed-posts", "KEZ_CHAT_REQUIRE_SIGNED_POSTS", "yes/no",
     "no", AT(require_signed_posts), .help = "Refuse messages that are not signed by a sender"},
    {GROUP_NODE, SETTING_CHOICE, "registration", "KEZ_CHAT_REGISTRATION", "", "open",
     AT(registration), .choices = {"open", "token", "closed"},
     .help = "Who may register a handle: anybody, who has the token, or nobody"},
    {GROUP_NODE, SETTING_TEXT, "registration-token-file", "KEZ_CHAT_REGISTRATION_TOKEN_FILE",
     "file", "", AT(registration_token_file),
     .help = "File that holds the token: 16 or more letters, digits and -._~+/"},
    {GROUP_NODE, SETTING_COUNT, "drain-time", "KEZ_CHAT_DRAIN_TIME", "s", "10", AT(drain_time_s), 0,
     3600, .help = "After SIGTERM, open streams are asked to leave within this"},
    {GROUP_NODE, SETTING_CHOICE, "log-level", "KEZ_CHAT_LOG_LEVEL", "", "info", AT(log_level),
     .choices = {"debug", "info", "warn", "error"}, .help = "Least level that is logged"},
    {GROUP_NODE, SETTING_COUNT, "directory-entries", "KEZ_CHAT_DIRECTORY_ENTRIES", "handles",
     "100000", AT(directory_entries), 16, 100000000,
     .help = "Handles kept in memory with their keys"},
    {GROUP_NODE, SETTING_COUNT, "directory-age", "KEZ_CHAT_DIRECTORY_AGE", "ms", "5000",
     AT(directory_age_ms), 100, 600000,
     .help =
         "For so long; a handle that is deleted or blocked stops working within this everywhere"},

    /* The store. */
    {GROUP_STORE, SETTING_URLS, "database-url", "DATABASE_URL", "URL", "", AT(store.url),
     .is_good = settings_is_database_url,
     .allowed = "postgresql://user@host/database or keyword=value pairs",
     .help = "PostgreSQL, 15 to 17; required"},
    {GROUP_STORE, SETTING_FILE, "database-url-file", "KEZ_CHAT_DATABASE_URL_FILE", "file", "",
     AT(database_url_file), .into = "database-url", .help = "File that holds the database URL"},
    {GROUP_STORE, SETTING_COUNT, "store-writers", "KEZ_CHAT_STORE_WRITERS", "connections", "2",
     AT(store.writers), 1, 32, .help = "Connections that write"},
    {GROUP_STORE, SETTING_COUNT, "store-readers", "KEZ_CHAT_STORE_READERS", "connections", "2",
     AT(store.readers), 1, 32, .help = "Connections that read"},
    {GROUP_STORE, SETTING_COUNT, "store-queue", "KEZ_CHAT_STORE_QUEUE", "jobs", "4096",
     AT(store.queue_items), 1, 10000000, .help = "Jobs that wait at one connection; more: 503"},
    {GROUP_STORE, SETTING_BYTES, "store-queue-bytes", "KEZ_CHAT_STORE_QUEUE_BYTES", "bytes",
     "64MiB", AT(store.queue_bytes), MIB, 4095 * MIB, .help = "And their bytes"},
    {GROUP_STORE, SETTING_COUNT, "store-batch", "KEZ_CHAT_STORE_BATCH", "posts", "128",
     AT(store.batch_items), 1, 1024, .help = "Posts in one transaction"},
    {GROUP_STORE, SETTING_BYTES, "store-batch-bytes", "KEZ_CHAT_STORE_BATCH_BYTES", "bytes", "1MiB",
     AT(store.batch_bytes), 64 * 1024, 64 * MIB, .help = "And their bytes"},
    {GROUP_STORE, SETTING_COUNT, "store-timeout", "KEZ_CHAT_STORE_TIMEOUT", "ms", "10000",
     AT(store.timeout_ms), 100, 600000, .help = "The database must answer within this"},
    {GROUP_STORE, SETTING_COUNT, "store-connect-timeout", "KEZ_CHAT_STORE_CONNECT_TIMEOUT", "ms",
     "5000", AT(store.connect_timeout_ms), 100, 600000,
     .help = "A connection must be there within this"},
    {GROUP_STORE, SETTING_COUNT, "store-reconnect-max", "KEZ_CHAT_STORE_RECONNECT_MAX", "ms",
     "5000", AT(store.reconnect_max_ms), 10, 600000,
     .help = "Longest wait between two attempts to connect"},
    {GROUP_STORE, SETTING_COUNT, "id-memory", "KEZ_CHAT_ID_MEMORY", "h", "24",
     AT(store.id_memory_hours), 24, 87600,
     .help = "Ids of dropped rows are remembered at least this long"},
    {GROUP_STORE, SETTING_COUNT, "inbox-retention-days", "KEZ_CHAT_INBOX_RETENTION_DAYS", "days",
     "0", AT(store.retention.days), 0, 36500,
     .help = "Rows of an inbox that are older are dropped; 0: they are kept for ever"},
    {GROUP_STORE, SETTING_COUNT, "inbox-retention-rows", "KEZ_CHAT_INBOX_RETENTION_ROWS", "rows",
     "0", AT(store.retention.rows), 0, ANY,
     .help = "The newest so many rows of an inbox are kept, older ones dropped; 0: no limit"},
    {GROUP_STORE, SETTING_COUNT, "inbox-retention-period", "KEZ_CHAT_INBOX_RETENTION_PERIOD", "s",
     "600", AT(store.retention.period_s), 1, 86400,
     .help = "A pass that drops them begins this long after the last one ended"},
    {GROUP_STORE, SETTING_CHOICE, "on-timeline-change", "KEZ_CHAT_ON_TIMELINE_CHANGE", "", "renew",
     AT(on_timeline_change), .choices = {"renew", "keep"},
     .help = "After a promotion inboxes get new epochs, or keep theirs (synchronous standbys)"},

    /* NATS. */
    {GROUP_NATS, SETTING_URLS, "nats-url", "NATS_URL", "URLs", "", AT(bus.urls),
     .is_good = settings_is_nats_urls,
     .allowed = "nats://host:port or tls://host:port, several comma separated, or nothing",
     .help = "NATS, 2.9 or later; not set: a single node without NATS"},
    {GROUP_NATS, SETTING_FILE, "nats-url-file", "KEZ_CHAT_NATS_URL_FILE", "file", "",
     AT(nats_url_file), .into = "nats-url", .help = "File that holds the NATS URLs"},
    {GROUP_NATS, SETTING_TEXT, "nats-name", "KEZ_CHAT_NATS_NAME", "name", "kez-chat", AT(bus.name),
     .never_empty = true, .allowed = "a name", .help = "How this node shows itself to NATS"},
    {GROUP_NATS, SETTING_TEXT, "nats-creds-file", "KEZ_CHAT_NATS_CREDS_FILE", "file", "",
     AT(bus.creds_file), .help = "Credentials: a JWT and its seed"},
    {GROUP_NATS, SETTING_TEXT, "nats-nkey-file", "KEZ_CHAT_NATS_NKEY_FILE", "file", "",
     AT(bus.nkey_seed_file), .help = "Credentials: the seed of an nkey"},
    {GROUP_NATS, SETTING_TEXT, "nats-ca-file", "KEZ_CHAT_NATS_CA_FILE", "file", "", AT(bus.ca_file),
     .help = "Certificates to trust with tls://; not set: the system's"},
    {GROUP_NATS, SETTING_COUNT, "nats-reconnect-wait", "KEZ_CHAT_NATS_RECONNECT_WAIT", "ms", "250",
     AT(bus.reconnect_wait_ms), 1, 60000, .help = "Wait between two attempts to connect"},
    {GROUP_NATS, SETTING_COUNT, "nats-reconnect-jitter", "KEZ_CHAT_NATS_RECONNECT_JITTER", "ms",
     "250", AT(bus.reconnect_jitter_ms), 0, 60000, .help = "Up to this much is added at random"},
    {GROUP_NATS, SETTING_COUNT, "nats-ping-interval", "KEZ_CHAT_NATS_PING_INTERVAL", "ms", "2000",
     AT(bus.ping_interval_ms), 100, 600000, .help = "Two unanswered pings are a lost connection"},
    {GROUP_NATS, SETTING_COUNT, "nats-flush-timeout", "KEZ_CHAT_NATS_FLUSH_TIMEOUT", "ms", "1000",
     AT(bus.flush_timeout_ms), 10, 60000,
     .help = "NATS must confirm new subscriptions within this"},
    {GROUP_NATS, SETTING_COUNT, "nats-pending", "KEZ_CHAT_NATS_PENDING", "messages", "65536",
     AT(bus.pending_messages), 16, INT32_MAX,
     .help = "Messages of one subscription not yet handed over"},
    {GROUP_NATS, SETTING_BYTES, "nats-pending-bytes", "KEZ_CHAT_NATS_PENDING_BYTES", "bytes",
     "64MiB", AT(bus.pending_bytes), MIB, 2047 * MIB, .help = "And their bytes"},
    {GROUP_NATS, SETTING_BYTES, "nats-reconnect-bytes", "KEZ_CHAT_NATS_RECONNECT_BYTES", "bytes",
     "8MiB", AT(bus.reconnect_bytes), 0, 2047 * MIB,
     .help = "Published while disconnected and kept; more is left to the sweep"},

    /* Limits. */
    {GROUP_LIMITS, SETTING_COUNT, "limit-streams", "KEZ_CHAT_LIMIT_STREAMS", "streams", "0",
     AT(push.max_streams), 0, ANY,
     .help = "Open streams of this node; 0: as many as descriptors allow"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-streams-per-handle", "KEZ_CHAT_LIMIT_STREAMS_PER_HANDLE",
     "streams", "128", AT(push.max_streams_handle), 0, ANY,
     .help = "Open streams of one handle on this node; 0: no limit of its own"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-streams-per-address", "KEZ_CHAT_LIMIT_STREAMS_PER_ADDRESS",
     "streams", "1024", AT(push.max_streams_client), 0, ANY,
     .help = "Open streams from one address (IPv6: one /64) on this node; 0: no limit"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-connections", "KEZ_CHAT_LIMIT_CONNECTIONS", "connections",
     "0", AT(http.max_connections), 0, 1000000,
     .help = "Connections of the public listener, streams not counted; 0: a quarter of the "
             "descriptors, at most 4096"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-connections-per-address",
     "KEZ_CHAT_LIMIT_CONNECTIONS_PER_ADDRESS", "connections", "512",
     AT(http.max_connections_address), 0, ANY,
     .help = "Of these, from one address (IPv6: one /64); 0: no limit"},
    {GROUP_LIMITS, SETTING_BYTES, "limit-bytes", "KEZ_CHAT_LIMIT_BYTES", "bytes", "1024MiB",
     AT(http.max_bytes), 0, 4095 * MIB,
     .help = "Bodies and answers kept in memory, for all addresses together; more: 503; 0: no "
             "limit"},
    {GROUP_LIMITS, SETTING_BYTES, "limit-bytes-per-address", "KEZ_CHAT_LIMIT_BYTES_PER_ADDRESS",
     "bytes", "64MiB", AT(http.max_bytes_address), 0, 4095 * MIB,
     .help = "Of these, for one address (IPv6: one /64); more: 503; 0: no limit"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-register", "KEZ_CHAT_LIMIT_REGISTER", "per minute", "10",
     AT(register_per_minute), 0, ANY, .help = "Registrations from one address; 0: no limit"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-posts-unsigned", "KEZ_CHAT_LIMIT_POSTS_UNSIGNED",
     "per minute", "60", AT(posts_unsigned_per_minute), 0, ANY,
     .help = "Unsigned posts from one address; 0: no limit"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-posts-signed", "KEZ_CHAT_LIMIT_POSTS_SIGNED", "per minute",
     "600", AT(posts_signed_per_minute), 0, ANY, .help = "Signed posts of one sender; 0: no limit"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-stream-opens", "KEZ_CHAT_LIMIT_STREAM_OPENS", "per minute",
     "600", AT(stream_opens_per_minute), 0, ANY,
     .help = "Streams opened of one handle; 0: no limit"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-stream-opens-per-address",
     "KEZ_CHAT_LIMIT_STREAM_OPENS_PER_ADDRESS", "per minute", "1200",
     AT(stream_opens_address_per_minute), 0, ANY,
     .help = "Streams opened from one address; 0: no limit"},
    {GROUP_LIMITS, SETTING_COUNT, "limit-failed-signatures", "KEZ_CHAT_LIMIT_FAILED_SIGNATURES",
     "per minute", "300", AT(failures_per_minute), 0, ANY,
     .help = "Failed signatures from one address; 0: no limit"},
    {GROUP_LIMITS, SETTING_COUNT, "quota-keys", "KEZ_CHAT_QUOTA_KEYS", "keys", "65536",
     AT(quota_keys), 16, 100000000, .help = "Addresses or handles that each rate limit remembers"},

    /* Streams. */
    {GROUP_STREAMS, SETTING_COUNT, "push-threads", "KEZ_CHAT_PUSH_THREADS", "threads", "0",
     AT(push.shards), 0, BUS_SHARDS_MAX, .help = "Threads that own streams; 0: one per core"},
    {GROUP_STREAMS, SETTING_COUNT, "push-queue", "KEZ_CHAT_PUSH_QUEUE", "rows", "65536",
     AT(push.queue_items), 16, 10000000, .help = "Rows that wait at one such thread"},
    {GROUP_STREAMS, SETTING_BYTES, "push-queue-bytes", "KEZ_CHAT_PUSH_QUEUE_BYTES", "bytes",
     "64MiB", AT(push.queue_bytes), MIB, 4095 * MIB, .help = "And their bytes"},
    {GROUP_STREAMS, SETTING_COUNT, "outbox-frames", "KEZ_CHAT_OUTBOX_FRAMES", "rows", "64",
     AT(push.outbox_frames), 1, 65536,
     .help = "Rows that wait at one slow stream; more are read from the store later"},
    {GROUP_STREAMS, SETTING_BYTES, "outbox-bytes", "KEZ_CHAT_OUTBOX_BYTES", "bytes", "256KiB",
     AT(push.outbox_bytes), 1024, 64 * MIB, .help = "And their bytes"},
    {GROUP_STREAMS, SETTING_COUNT, "early-frames", "KEZ_CHAT_EARLY_FRAMES", "rows", "64",
     AT(push.early_frames), 1, 65536, .help = "Rows of one handle that wait for a missing one"},
    {GROUP_STREAMS, SETTING_COUNT, "page-rows", "KEZ_CHAT_PAGE_ROWS", "rows", "64",
     AT(push.page_rows), 1, 500, .help = "Rows that a stream reads from the store at once"},
    {GROUP_STREAMS, SETTING_BYTES, "page-bytes", "KEZ_CHAT_PAGE_BYTES", "bytes", "256KiB",
     AT(push.page_bytes), 1024, PAGE_MAX_BYTES, .help = "And their bytes"},
    {GROUP_STREAMS, SETTING_COUNT, "hole-wait", "KEZ_CHAT_HOLE_WAIT", "ms", "20",
     AT(push.hole_wait_ms), 1, 10000, .help = "A missing row is read from the store after this"},
    {GROUP_STREAMS, SETTING_COUNT, "look-again-first", "KEZ_CHAT_LOOK_AGAIN_FIRST", "ms", "250",
     AT(push.look_again_ms[0]), 1, 60000,
     .help = "After subscribing, the head is looked at again after this"},
    {GROUP_STREAMS, SETTING_COUNT, "look-again-second", "KEZ_CHAT_LOOK_AGAIN_SECOND", "ms", "2000",
     AT(push.look_again_ms[1]), 1, 60000, .help = "And after this"},
    {GROUP_STREAMS, SETTING_COUNT, "sweep-up", "KEZ_CHAT_SWEEP_UP", "ms", "5000",
     AT(push.sweep_up_ms), 50, 600000, .help = "Period of the sweep while NATS is up"},
    {GROUP_STREAMS, SETTING_COUNT, "sweep-down", "KEZ_CHAT_SWEEP_DOWN", "ms", "500",
     AT(push.sweep_down_ms), 50, 600000, .help = "Period of the sweep while NATS is down"},
    {GROUP_STREAMS, SETTING_COUNT, "sweep-heads", "KEZ_CHAT_SWEEP_HEADS", "per second", "20000",
     AT(push.sweep_heads_per_s), 1, 100000000,
     .help = "Inboxes that the sweep may look at; its period stretches"},
    {GROUP_STREAMS, SETTING_COUNT, "keep-alive", "KEZ_CHAT_KEEP_ALIVE", "ms", "15000",
     AT(push.keep_alive_ms), 100, 600000, .help = "A silent stream gets a comment after this"},
    {GROUP_STREAMS, SETTING_COUNT, "keep-alive-spread", "KEZ_CHAT_KEEP_ALIVE_SPREAD", "ms", "2000",
     AT(push.keep_alive_spread_ms), 0, 300000, .help = "More or less, to spread them"},
    {GROUP_STREAMS, SETTING_COUNT, "stall-time", "KEZ_CHAT_STALL_TIME", "ms", "60000",
     AT(push.stall_ms), 100, 3600000, .help = "A stream that takes no byte this long is closed"},
    {GROUP_STREAMS, SETTING_COUNT, "drain-retry", "KEZ_CHAT_DRAIN_RETRY", "ms", "3000",
     AT(push.drain_retry_ms), 1, 600000, .help = "What a drain tells clients to wait, jittered"},

    /* HTTP. */
    {GROUP_HTTP, SETTING_TEXT, "trusted-proxies", "KEZ_CHAT_TRUSTED_PROXIES", "networks", "",
     AT(http.trusted_proxies), .is_good = settings_is_networks,
     .allowed = "up to 64 addresses or CIDR blocks, comma separated, or nothing for none",
     .help =
         "Proxies that are believed about their clients' addresses (X-Forwarded-For, Forwarded)"},
    {GROUP_HTTP, SETTING_COUNT, "http-threads", "KEZ_CHAT_HTTP_THREADS", "threads", "0",
     AT(http.threads), 0, 256, .help = "Threads that answer requests; 0: one per core"},
    {GROUP_HTTP, SETTING_COUNT, "idle-time", "KEZ_CHAT_IDLE_TIME", "s", "60",
     AT(http.idle_timeout_s), 1, 3600, .help = "A connection without traffic is closed"},
    {GROUP_HTTP, SETTING_COUNT, "head-time", "KEZ_CHAT_HEAD_TIME", "s", "10",
     AT(http.head_timeout_s), 1, 3600, .help = "A request's head must be whole within this"},
    {GROUP_HTTP, SETTING_COUNT, "body-time", "KEZ_CHAT_BODY_TIME", "s", "30",
     AT(http.body_timeout_s), 1, 3600, .help = "And its body"},
    {GROUP_HTTP, SETTING_BYTES, "head-bytes", "KEZ_CHAT_HEAD_BYTES", "bytes", "16KiB",
     AT(http.head_max_bytes), 4096, MIB, .help = "Request line and headers of one connection"},
    {GROUP_HTTP, SETTING_BYTES, "static-max-bytes", "KEZ_CHAT_STATIC_MAX_BYTES", "bytes", "16MiB",
     AT(http.static_max_bytes), 1024, 1024 * MIB, .help = "A larger file of web-dir is not served"},
};

const size_t settings_count = sizeof settings / sizeof *settings;
static_assert(sizeof settings / sizeof *settings <= SETTINGS_MAX, "SETTINGS_MAX is too small");

const char *settings_group_title(enum setting_group group) {
    static const char *const titles[GROUP_COUNT] = {
        [GROUP_NODE] = "Node",     [GROUP_STORE] = "Store (PostgreSQL)", [GROUP_NATS] = "NATS",
        [GROUP_LIMITS] = "Limits", [GROUP_STREAMS] = "Event streams",    [GROUP_HTTP] = "HTTP",
    };
    return titles[group];
}

size_t settings_place(const struct setting *s) { return (size_t)(s - settings); }

const struct setting *settings_find(struct str name) {
    for (size_t i = 0; i < settings_count; i++)
        if (str_eq(name, str_of(settings[i].name)))
            return &settings[i];
    return NULL;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Printable ASCII without the space: what a URL or a name consists of. */
static bool is_plain(struct str text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    return true;
}

static bool is_port(struct str text) {
    uint64_t port;
    return str_read_u64(text, 65535, &port) == RC_OK;
}

/* RFC 1123, 2.1: labels of 1 to 63 letters, digits and inner hyphens, 253 bytes in all. */
static bool is_host(struct str text) {
    if (text.n == 0 || text.n > 253)
        return false;
    struct str label, rest = text;
    bool more;
    do {
        more = str_cut(rest, '.', &label, &rest);
        if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!is_alnum(label.p[i]) && label.p[i] != '-')
                return false;
    } while (more);
    return true;
}

/* The inside of [ ] of an IPv6 literal (RFC 3986, 3.2.2), loosely: the resolver has the last word.
 */
static bool is_v6(struct str text) {
    bool has_colon = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        has_colon |= c == ':';
        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F') && c != ':' &&
            c != '.')
            return false;
    }
    return has_colon && text.n >= 2 && text.n <= 45;
}

/* Splits host:port or [v6]:port. *port is absent when there is none. */
static bool split_port(struct str text, struct str *host, struct str *port, bool *v6) {
    *v6 = text.n > 0 && text.p[0] == '[';
    if (!*v6) {
        (void)str_cut(text, ':', host, port);
        return true;
    }
    struct str rest;
    if (!str_cut(str_from(text, 1), ']', host, &rest))
        return false;
    *port = (struct str){0};
    if (rest.n == 0)
        return true;
    *port = str_from(rest, 1);
    return rest.p[0] == ':';
}

bool settings_is_bind(struct str text) {
    struct str host, port;
    bool v6;
    if (!split_port(text, &host, &port, &v6) || !is_port(port))
        return false;
    return v6 ? is_v6(host) : host.n == 0 || is_host(host);
}

bool settings_is_server_name(struct str text) {
    struct str host, port;
    bool v6;
    if (!split_port(text, &host, &port, &v6))
        return false;
    if (!str_is_absent(port) && (!is_port(port) || str_eq(port, STR("0"))))
        return false;
    return v6 ? is_v6(host) : is_host(host);
}

bool settings_is_socket_path(struct str text) {
    return text.n > 0 && text.n <= LOCAL_PATH_MAX && text.p[text.n - 1] != '/';
}

bool settings_is_networks(struct str text) {
    struct networks networks;
    return networks_read(text, &networks) == RC_OK;
}

bool settings_is_user_ids(struct str text) {
    struct local_peers peers;
    return local_read_peers(text, &peers) == RC_OK;
}

bool settings_is_http_url(struct str text) {
    struct str rest;
    if (str_starts_with(text, STR("https://")))
        rest = str_from(text, 8);
    else if (str_starts_with(text, STR("http://")))
        rest = str_from(text, 7);
    else
        return false;
    for (size_t i = 0; i < rest.n; i++)
        if (strchr("\"<>\\^`{|}?#", rest.p[i]))
            return false; /* RFC 3986; and a base URL has no query */
    return rest.n > 0 && rest.p[0] != '/' && is_plain(rest);
}

static struct str skip_blanks(struct str s) {
    while (s.n > 0 && s.p[0] == ' ')
        s = str_from(s, 1);
    return s;
}

/* Cuts a value: quoted, or up to a blank; a backslash takes the next byte with it. False: a quote
 * is not closed. */
static bool cut_value(struct str *rest, struct str *value) {
    bool is_quoted = rest->n > 0 && rest->p[0] == '\'';
    size_t i = is_quoted ? 1 : 0;
    while (i < rest->n && rest->p[i] != (is_quoted ? '\'' : ' '))
        i += rest->p[i] == '\\' && i + 1 < rest->n ? 2 : 1;
    if (is_quoted && i++ == rest->n)
        return false;
    *value = (struct str){rest->p, i};
    *rest = str_from(*rest, i);
    return true;
}

bool settings_cut_pair(struct str *text, struct str *name, struct str *value) {
    *text = skip_blanks(*text);
    size_t n = 0;
    while (n < text->n && (is_alnum(text->p[n]) || text->p[n] == '_'))
        n++;
    struct str rest = skip_blanks(str_from(*text, n));
    if (n == 0 || rest.n == 0 || rest.p[0] != '=')
        return false;
    rest = skip_blanks(str_from(rest, 1));
    if (!cut_value(&rest, value))
        return false;
    *name = (struct str){text->p, n};
    *text = rest;
    return true;
}

bool settings_is_database_uri(struct str text) {
    return str_starts_with(text, STR("postgresql://")) || str_starts_with(text, STR("postgres://"));
}

bool settings_is_database_url(struct str text) {
    if (settings_is_database_uri(text))
        return is_plain(text);
    struct str name, value;
    bool has_pair = false;
    while (settings_cut_pair(&text, &name, &value))
        has_pair = true;
    return has_pair && text.n == 0;
}

static bool is_nats_url(struct str text) {
    struct str rest;
    if (str_starts_with(text, STR("nats://")))
        rest = str_from(text, 7);
    else if (str_starts_with(text, STR("tls://")))
        rest = str_from(text, 6);
    else
        return false;
    struct str before, after = rest;
    while (str_cut(after, '@', &before, &after))
        rest = after;
    struct str host, port;
    bool v6;
    if (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (!split_port(rest, &host, &port, &v6) || (!str_is_absent(port) && !is_port(port)))
        return false;
    return is_plain(text) && (v6 ? is_v6(host) : is_host(host));
}

bool settings_is_nats_urls(struct str text) {
    struct str url, rest = text;
    bool more;
    do {
        more = str_cut(rest, ',', &url, &rest);
        if (!is_nats_url(url))
            return false;
    } while (more);
    return true;
}

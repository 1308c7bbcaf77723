/* back/pool_link.c -- one connection to PostgreSQL: how it is opened, and how it ends.
 *
 * The connection is non-blocking and, but for link_script(), in pipeline mode. Every wait is a
 * poll() with a deadline; what ends a connection goes through link_fail(), with a reason.
 * pool_link_ask.c has what goes over it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/pool_link.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "core/stats.h"
#include "pool_link_parts.h"

enum {
    MAX_SETTINGS = 96, /* libpq 15 knows 44, libpq 17 knows 50 */
    SETTING_MAX = 255  /* one host or port out of a list */
};

uint64_t link_us_after(const struct link *l, uint32_t ms) {
    return clock_mono_us(l->clock) + (uint64_t)ms * 1000;
}

int link_ms_until(const struct link *l, uint64_t deadline_us) {
    uint64_t now = clock_mono_us(l->clock);
    return deadline_us <= now ? 0 : (int)((deadline_us - now + 999) / 1000);
}

enum rc link_new(const struct link_config *config, const struct clock *clock, struct link **out) {
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return RC_NO_MEMORY;
    l->clock = clock;
    l->timeout_ms = config->timeout_ms;
    l->connect_timeout_ms = config->connect_timeout_ms;
    l->stop_fd = config->stop_fd > 0 ? config->stop_fd : -1;
    l->name = strdup(config->name);
    /* libpq's sentence about a bad URL may repeat the password in it: it is not asked for. */
    l->url = PQconninfoParse(config->url, NULL);
    enum rc rc = !l->name ? RC_NO_MEMORY : !l->url ? RC_MALFORMED : RC_OK;
    if (rc == RC_OK)
        *out = l;
    else
        link_free(l);
    return rc;
}

void link_free(struct link *l) {
    if (!l)
        return;
    link_close(l);
    PQconninfoFree(l->url);
    free(l->name);
    free(l);
}

/* ---- ending ---- */

void link_close(struct link *l) {
    PQfinish(l->conn);
    l->conn = NULL;
    l->is_open = false;
    l->note[0] = '\0';
    l->number = 0;
}

/* Keeps the first line of `why`. */
static void keep_why(struct link *l, const char *why) {
    size_t n = strcspn(why, "\r\n");
    if (n > LINK_WHY_MAX)
        n = LINK_WHY_MAX;
    memcpy(l->why, why, n);
    l->why[n] = '\0';
}

void link_fail(struct link *l, const char *why) {
    stats_add(store_errors, 1);
    keep_why(l, why && *why ? why : "no reason given");
    link_close(l);
}

void link_refuse(struct link *l, const char *why) {
    l->timed_out = false;
    link_fail(l, why);
}

enum rc link_fail_late(struct link *l, const char *why) {
    link_fail(l, why);
    l->timed_out = true;
    return RC_TIMEOUT;
}

static bool is_told_to_stop(const struct link *l) {
    struct pollfd p = {.fd = l->stop_fd, .events = POLLIN};
    return l->stop_fd >= 0 && poll(&p, 1, 0) > 0;
}

enum rc link_fail_stopped(struct link *l) {
    link_refuse(l, "told to stop");
    return RC_UNAVAILABLE;
}

/* libpq broke it off, or the server did. libpq's sentence is asked for only while connecting: later
 * on it may begin with what the server said about a statement, which quotes it. */
enum rc link_fail_broken(struct link *l) {
    link_refuse(l, l->is_open ? "the connection was cut" : PQerrorMessage(l->conn));
    return RC_UNAVAILABLE;
}

/* ---- opening ---- */

struct settings {
    size_t n;
    const char *names[MAX_SETTINGS + 1], *values[MAX_SETTINGS + 1];
    char host[SETTING_MAX + 1], address[SETTING_MAX + 1], port[SETTING_MAX + 1];
};

static void add(struct settings *s, const char *name, const char *value) {
    if (s->n < MAX_SETTINGS) {
        s->names[s->n] = name;
        s->values[s->n] = value;
        s->n++;
    }
}

static const char *value_of(const struct link *l, const char *name) {
    for (const PQconninfoOption *o = l->url; o->keyword; o++)
        if (strcmp(o->keyword, name) == 0)
            return o->val;
    return NULL;
}

static void add_unless_given(struct settings *s, const struct link *l, const char *name,
                             const char *value) {
    if (!value_of(l, name))
        add(s, name, value);
}

static unsigned entries(const char *list) {
    unsigned n = 1;
    for (; list && *list; list++)
        n += *list == ',';
    return n;
}

/* The entry number `index` of a comma separated list; of a list of one, that one. */
static const char *entry(const char *list, unsigned index, char out[SETTING_MAX + 1]) {
    if (entries(list) == 1)
        return list;
    for (; index > 0; index--)
        list += strcspn(list, ",") + 1;
    (void)snprintf(out, SETTING_MAX + 1, "%.*s", (int)strcspn(list, ","), list);
    return out;
}

/* libpq has no time-out for each of several hosts when it connects without blocking, and would hang
 * at a dead first one for ever. So an attempt gets one host of the list, the next attempt the
 * next. */
static void add_host(struct settings *s, const struct link *l) {
    const char *hosts = value_of(l, "host"), *addresses = value_of(l, "hostaddr");
    const char *ports = value_of(l, "port");
    unsigned n = entries(hosts) > entries(addresses) ? entries(hosts) : entries(addresses);
    unsigned index = l->attempts % n;
    bool ports_fit = entries(ports) == 1 || entries(ports) == n;
    bool hosts_fit = !hosts || !addresses || entries(hosts) == entries(addresses);
    if (!ports_fit || !hosts_fit) { /* libpq has the sentence for it */
        add(s, "host", hosts);
        add(s, "hostaddr", addresses);
        add(s, "port", ports);
        return;
    }
    if (hosts)
        add(s, "host", entry(hosts, index, s->host));
    if (addresses)
        add(s, "hostaddr", entry(addresses, index, s->address));
    if (ports)
        add(s, "port", entry(ports, index, s->port));
}

static bool is_host_or_port(const char *name) {
    return strcmp(name, "host") == 0 || strcmp(name, "hostaddr") == 0 || strcmp(name, "port") == 0;
}

static void settle(struct settings *s, const struct link *l, const char *user_timeout) {
    for (const PQconninfoOption *o = l->url; o->keyword; o++)
        if (o->val && !is_host_or_port(o->keyword))
            add(s, o->keyword, o->val);
    add_host(s, l);
    add_unless_given(s, l, "application_name", l->name);
    add_unless_given(s, l, "target_session_attrs", "read-write");
    add_unless_given(s, l, "keepalives_idle", "10");
    add_unless_given(s, l, "keepalives_interval", "5");
    add_unless_given(s, l, "keepalives_count", "3");
    add_unless_given(s, l, "tcp_user_timeout", user_timeout);
    add(s, "client_encoding", "UTF8"); /* a later one wins */
}

/* libpq would print them on standard error; they may quote what was sent. */
static void ignore_notice(void *arg, const PGresult *notice) {
    (void)arg;
    (void)notice;
}

void link_begin(struct link *l) {
    struct settings s = {.n = 0};
    char user_timeout[16];
    (void)snprintf(user_timeout, sizeof user_timeout, "%u", (unsigned)l->timeout_ms);
    link_close(l);
    settle(&s, l, user_timeout);
    l->attempts++;
    l->hung_up = l->timed_out = false;
    l->wants = POLLOUT;
    l->deadline_us = link_us_after(l, l->connect_timeout_ms);
    l->conn = PQconnectStartParams(s.names, s.values, 0);
    if (l->conn)
        (void)PQsetNoticeReceiver(l->conn, ignore_notice, NULL);
}

static enum link_step opened(struct link *l) {
    if (PQsetnonblocking(l->conn, 1) != 0 || !PQenterPipelineMode(l->conn)) {
        (void)link_fail_broken(l);
        return LINK_FAILED;
    }
    l->is_open = true;
    l->why[0] = '\0';
    return LINK_OPEN;
}

enum link_step link_go_on(struct link *l) {
    if (!l->conn) {
        keep_why(l, "out of memory");
        return LINK_FAILED;
    }
    if (PQstatus(l->conn) == CONNECTION_BAD) {
        (void)link_fail_broken(l);
        return LINK_FAILED;
    }
    /* PQconnectPoll() may be called only when the socket is ready. */
    struct pollfd p = {.fd = PQsocket(l->conn), .events = l->wants};
    if (poll(&p, 1, 0) <= 0) {
        if (link_ms_until(l, l->deadline_us) > 0)
            return l->wants == POLLIN ? LINK_READS : LINK_WRITES;
        (void)link_fail_late(l, "no answer while connecting");
        return LINK_FAILED;
    }
    PostgresPollingStatusType status = PQconnectPoll(l->conn);
    if (status == PGRES_POLLING_OK)
        return opened(l);
    if (status == PGRES_POLLING_FAILED) {
        (void)link_fail_broken(l);
        return LINK_FAILED;
    }
    l->wants = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    return l->wants == POLLIN ? LINK_READS : LINK_WRITES;
}

int link_patience_ms(const struct link *l) { return link_ms_until(l, l->deadline_us); }

enum rc link_open(struct link *l) {
    enum link_step step;
    link_begin(l);
    while ((step = link_go_on(l)) == LINK_READS || step == LINK_WRITES) {
        struct pollfd p[] = {{.fd = link_fd(l), .events = step == LINK_READS ? POLLIN : POLLOUT},
                             {.fd = l->stop_fd, .events = POLLIN}};
        (void)poll(p, 2, link_patience_ms(l));
        if (is_told_to_stop(l))
            return link_fail_stopped(l);
    }
    return step == LINK_OPEN ? RC_OK : RC_UNAVAILABLE;
}

bool link_is_open(const struct link *l) { return l->is_open; }

bool link_timed_out(const struct link *l) { return l->timed_out; }

const char *link_why(const struct link *l) { return l->why; }

int link_fd(const struct link *l) { return PQsocket(l->conn); }

const char *link_name(const struct link *l) { return l->name; }

int link_server_version(const struct link *l) { return PQserverVersion(l->conn); }

void link_set_note(struct link *l, const char *note) {
    (void)snprintf(l->note, sizeof l->note, "%s", note);
}

const char *link_note(const struct link *l) { return l->note; }

void link_set_number(struct link *l, uint64_t number) { l->number = number; }

uint64_t link_number(const struct link *l) { return l->number; }

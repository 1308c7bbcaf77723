/* back/store_schema.c -- brings the schema up to date, and notes the epoch of the store.
 *
 * A connection becomes usable here: session settings, then the schema (brought up to date by
 * whoever comes first, under an advisory lock), then the epoch, then the prepared statements.
 *
 * Versions: migrations only add, so that an older node may run beside a newer one. Each says which
 * is the least version of a node that may run on it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/log.h"
#include "store_epoch.h"

/* A change of the schema may rewrite a table. */
enum { MIGRATE_MS = 10 * 60 * 1000, WHY_MAX = 255 };

static const char too_new[] = "the database was made for a newer version of this program";

/* ---- versions ---- */

/* Of the newest migration that was applied; 0 when none was. */
static enum rc read_version(struct link *l, int *version, int *least) {
    PGresult *r;
    enum rc rc = store_ask(l,
                           "SELECT coalesce(max(version), 0), coalesce(max(least), 0)"
                           " FROM kez.schema_version",
                           0, NULL, &r);
    if (rc != RC_OK)
        return rc;
    *version = atoi(PQgetvalue(r, 0, 0));
    *least = atoi(PQgetvalue(r, 0, 1));
    PQclear(r);
    return RC_OK;
}

static enum rc apply(struct link *l, const struct migration *m) {
    char version[12], least[12];
    (void)snprintf(version, sizeof version, "%d", m->version);
    (void)snprintf(least, sizeof least, "%d", m->least);
    const char *const params[] = {version, least};
    enum rc rc = link_script(l, m->sql, MIGRATE_MS);
    if (rc != RC_OK)
        return rc;
    PGresult *r;
    rc = store_ask(l,
                   "INSERT INTO kez.schema_version (version, least) VALUES ($1::int, $2::int)"
                   " RETURNING version",
                   2, params, &r);
    if (rc == RC_OK)
        PQclear(r);
    return rc;
}

/* In a transaction, so that many nodes may start at once: the first applies, the others wait for
 * it (as long as lock_timeout lets them) and find it done. The lock's number is "kez-chat" in
 * ASCII. A schema that an administrator made beforehand is used as it is. */
static enum rc migrate(struct link *l, int *least) {
    int version = 0;
    enum rc rc = link_script(l,
                             "BEGIN;"
                             "SELECT pg_advisory_xact_lock(7738725870065967476);"
                             "SET LOCAL statement_timeout = 0;"
                             "DO $$ BEGIN"
                             " IF to_regnamespace('kez') IS NULL THEN CREATE SCHEMA kez; END IF;"
                             "END $$;"
                             "CREATE TABLE IF NOT EXISTS kez.schema_version ("
                             " version int PRIMARY KEY, least int NOT NULL,"
                             " applied_at timestamptz NOT NULL DEFAULT now());",
                             MIGRATE_MS);
    if (rc == RC_OK)
        rc = read_version(l, &version, least);
    for (int v = version; rc == RC_OK && v < STORE_VERSION; v++)
        rc = apply(l, &store_migrations[v]);
    if (rc == RC_OK)
        rc = link_script(l, "COMMIT", MIGRATE_MS);
    if (rc == RC_OK && version < STORE_VERSION)
        log_info("store schema brought from version %d to %d", version, STORE_VERSION);
    return rc;
}

static enum rc check_schema(struct link *l, bool is_there, const char **why) {
    int version = 0, least = 0;
    enum rc rc = is_there ? read_version(l, &version, &least) : RC_OK;
    if (rc == RC_OK && version < STORE_VERSION)
        rc = migrate(l, &least);
    if (rc != RC_OK)
        return rc;
    if (least > STORE_VERSION) {
        *why = too_new;
        return RC_CONFLICT;
    }
    return RC_OK;
}

/* ---- setting up ---- */

/* The server gives up before we do, so that its answer is heard: a lock after half the time, a
 * statement after three quarters. The server's own keepalives end the transaction of a node whose
 * machine is gone. */
static enum rc set_session(struct link *l, uint32_t timeout_ms) {
    char lock[16], statement[16], whole[16];
    (void)snprintf(lock, sizeof lock, "%u", (unsigned)(timeout_ms / 2 + 1));
    (void)snprintf(statement, sizeof statement, "%u", (unsigned)(timeout_ms / 4 * 3 + 1));
    (void)snprintf(whole, sizeof whole, "%u", (unsigned)(timeout_ms + 1));
    const char *const params[] = {lock, statement, whole};
    const char *sql = "SELECT set_config(name, value, false) FROM (VALUES"
                      " ('lock_timeout', $1::text), ('statement_timeout', $2::text),"
                      " ('idle_in_transaction_session_timeout', $3::text),"
                      " ('idle_session_timeout', '0'),"
                      " ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'),"
                      " ('tcp_keepalives_count', '3'), ('tcp_user_timeout', $3::text),"
                      " ('default_transaction_isolation', 'read committed'),"
                      " ('TimeZone', 'UTC'), ('DateStyle', 'ISO'), ('search_path', ''),"
                      " ('jit', 'off'), ('work_mem', '16MB'),"
                      " ('plan_cache_mode', 'force_generic_plan'),"
                      " ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'),"
                      " ('enable_mergejoin', 'off')"
                      ") AS setting (name, value)";
    PGresult *r;
    enum rc rc = store_ask(l, sql, 3, params, &r);
    if (rc == RC_OK)
        PQclear(r);
    return rc;
}

/* PostgreSQL 17 can end a transaction whose node is stuck halfway through sending it, which is not
 * idle in the other setting's sense. After the schema: a migration may take longer. */
static enum rc limit_transactions(struct link *l, uint32_t timeout_ms) {
    char whole[16];
    (void)snprintf(whole, sizeof whole, "%u", (unsigned)timeout_ms);
    const char *const params[] = {whole};
    PGresult *r;
    if (link_server_version(l) < 170000)
        return RC_OK;
    enum rc rc =
        store_ask(l, "SELECT set_config('transaction_timeout', $1::text, false)", 1, params, &r);
    if (rc == RC_OK)
        PQclear(r);
    return rc;
}

static enum rc prepare_statements(struct link *l) {
    PGresult *results[SQL_COUNT];
    for (size_t i = 0; i < SQL_COUNT; i++)
        link_send_prepare(l, store_sql_names[i], store_sql[i]);
    link_sync(l);
    enum rc rc = link_collect(l, SQL_COUNT, results);
    if (rc == RC_OK)
        link_clear(SQL_COUNT, results);
    return rc;
}

/* Up to a schema that is ready. *why is set when it is not a statement or the link that failed. */
static enum rc set_up(struct link *l, const struct store_config *c, struct server *now,
                      const char **why) {
    enum rc rc = set_session(l, c->timeout_ms);
    if (rc == RC_OK)
        rc = epoch_look(l, now);
    if (rc != RC_OK)
        return rc;
    if (now->is_standby || now->is_read_only) {
        *why = "the server is a standby, or read only";
        return RC_CONFLICT;
    }
    if (!now->is_utf8) {
        *why = "the database's encoding is not UTF8";
        return RC_CONFLICT;
    }
    return check_schema(l, now->has_schema, why);
}

/* Why the set-up failed, in words: `why` if there is one, else what the link knows. */
static void print_failure(const struct link *l, const char *why, char out[WHY_MAX + 1]) {
    if (why)
        (void)snprintf(out, WHY_MAX + 1, "%s", why);
    else if (link_is_open(l))
        (void)snprintf(out, WHY_MAX + 1, "a statement of the set-up failed with SQLSTATE %s",
                       link_sqlstate(l));
    else
        (void)snprintf(out, WHY_MAX + 1, "%s", link_why(l));
}

enum rc store_prepare(void *arg, struct link *l) {
    const struct store_side *side = arg;
    struct store *s = side->store;
    const struct store_config *c = &s->config;
    struct history_view before;
    struct server now;
    char text[WHY_MAX + 1];
    const char *why = NULL;
    history_view(s->history, &before);
    enum rc rc = set_up(l, c, &now, &why);
    if (rc == RC_OK)
        rc = epoch_check(s, l, &now, &before);
    if (rc == RC_OK)
        rc = limit_transactions(l, c->timeout_ms);
    if (rc == RC_OK)
        rc = prepare_statements(l);
    if (rc != RC_OK) {
        print_failure(l, why, text);
        link_refuse(l, text);
    }
    if (why == too_new && s->events.outdated)
        s->events.outdated(s->events.arg);
    return rc;
}

void store_look_again(void *arg, struct link *l) {
    const struct store_side *side = arg;
    struct store *s = side->store;
    PGresult *r;
    enum rc rc = store_ask(l,
                           "SELECT (pg_current_wal_flush_lsn() - '0/0')::text, max(least)"
                           " FROM kez.schema_version",
                           0, NULL, &r);
    if (rc == RC_IO)
        link_refuse(l, "a look at the database failed");
    if (rc != RC_OK)
        return;
    history_reached(s->history, link_number(l), strtoull(PQgetvalue(r, 0, 0), NULL, 10));
    if (atoi(PQgetvalue(r, 0, 1)) > STORE_VERSION) {
        link_refuse(l, too_new);
        if (s->events.outdated)
            s->events.outdated(s->events.arg);
    }
    PQclear(r);
}

enum rc store_renew_epoch(const struct store_config *config, const char **why) {
    static _Thread_local char said[WHY_MAX + 1];
    struct link_config c = {.url = config->url,
                            .name = "kez-chat",
                            .timeout_ms = config->timeout_ms,
                            .connect_timeout_ms = config->connect_timeout_ms};
    struct link *l = NULL;
    struct server now;
    const char *sentence = NULL;
    enum rc rc = link_new(&c, clock_system(), &l);
    if (rc != RC_OK) {
        *why = rc == RC_MALFORMED ? "the connection string cannot be read" : rc_text(rc);
        return rc;
    }
    rc = link_open(l);
    if (rc == RC_OK)
        rc = set_up(l, config, &now, &sentence);
    if (rc == RC_OK)
        rc = epoch_renew(l, &now);
    if (rc != RC_OK) {
        print_failure(l, sentence, said);
        *why = said;
    }
    link_free(l);
    return rc;
}

/* back/store_schema.c -- brings the schema up to date, and notes the epoch of the store.
 *
 * A connection becomes usable here: session settings, then the schema (brought up to date by
 * whoever comes first, under an advisory lock), then the epoch, then the prepared statements.
 *
 * Versions: migrations only add, so that an older node may run beside a newer one. Each says which
 * is the least version of a node that may run on it.
 *
 * Epoch: the store's generation and the inbox (read_heads in store_sql.c), so that renewing the one
 * row of kez.store renews every inbox's. PostgreSQL's system identifier, timeline and database oid
 * are noted beside it; where others are found, the history may have gone back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/log.h"
#include "store_parts.h"

/* A change of the schema may rewrite a table. */
enum { MIGRATE_MS = 10 * 60 * 1000, WHY_MAX = 255 };

/* ---- versions ---- */

/* What the server is, as text. */
struct server {
    bool is_standby, is_read_only, is_utf8, has_schema;
    char system_identifier[24], timeline[12], database_oid[12];
};

/* Runs one statement with parameters and results in text. RC_IO when it fails, or gives no row. */
static enum rc ask(struct link *l, const char *sql, size_t n, const char *const params[],
                   PGresult **out) {
    link_send_sql(l, sql, n, params);
    link_sync(l);
    enum rc rc = link_collect(l, 1, out);
    if (rc == RC_OK && PQntuples(*out) == 0) {
        link_clear(1, out);
        rc = RC_IO;
    }
    return rc;
}

static bool is_true(const PGresult *r, int col) { return PQgetvalue(r, 0, col)[0] == 't'; }

static void copy_text(const PGresult *r, int col, char *out, size_t size) {
    (void)snprintf(out, size, "%s", PQgetvalue(r, 0, col));
}

/* The timeline comes from the log's position: the control file tells of a promotion only after the
 * next checkpoint. */
static enum rc look(struct link *l, struct server *out) {
    PGresult *r;
    enum rc rc = ask(l,
                     "SELECT pg_is_in_recovery(),"
                     " current_setting('transaction_read_only')::boolean,"
                     " current_setting('server_encoding') = 'UTF8',"
                     " to_regclass('kez.schema_version') IS NOT NULL,"
                     " (SELECT system_identifier FROM pg_control_system()),"
                     " CASE WHEN pg_is_in_recovery() THEN ''"
                     "  ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END,"
                     " (SELECT oid FROM pg_database WHERE datname = current_database())",
                     0, NULL, &r);
    if (rc != RC_OK)
        return rc;
    *out = (struct server){.is_standby = is_true(r, 0),
                           .is_read_only = is_true(r, 1),
                           .is_utf8 = is_true(r, 2),
                           .has_schema = is_true(r, 3)};
    copy_text(r, 4, out->system_identifier, sizeof out->system_identifier);
    copy_text(r, 5, out->timeline, sizeof out->timeline);
    copy_text(r, 6, out->database_oid, sizeof out->database_oid);
    PQclear(r);
    return RC_OK;
}

/* Of the newest migration that was applied; 0 when none was. */
static enum rc read_version(struct link *l, int *version, int *least) {
    PGresult *r;
    enum rc rc = ask(l,
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
    rc = ask(l,
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
        *why = "the database was made for a newer version of this program";
        return RC_CONFLICT;
    }
    return RC_OK;
}

/* ---- the epoch ---- */

/* More than were ever made between a backup and its loss. */
#define INBOXES_PASSED_OVER "4294967296"

/* The history that is lost may have given inboxes to handles that it took with it, and nodes may
 * hold them still, with streams open: such a number must not become another's. */
static enum rc pass_over_inboxes(struct link *l, const struct server *now, bool renew) {
    const char *const params[] = {now->system_identifier, now->timeline, now->database_oid,
                                  renew ? "t" : "f"};
    PGresult *r;
    enum rc rc = ask(l,
                     "SELECT coalesce(bool_and(CASE WHEN has_sequence_privilege(q, 'UPDATE')"
                     "  THEN setval(q, nextval(q) + " INBOXES_PASSED_OVER ") > 0 ELSE false END),"
                     "  true) FROM kez.store AS s"
                     " CROSS JOIN pg_get_serial_sequence('kez.account', 'inbox') AS q"
                     " WHERE (s.system_identifier, s.timeline, s.database_oid) <> ($1, $2, $3)"
                     "  OR $4::boolean",
                     4, params, &r);
    if (rc != RC_OK)
        return rc;
    if (!is_true(r, 0))
        log_warn("store gives numbers of inboxes again that may be lost: the database user may not"
                 " UPDATE the sequence of kez.account");
    PQclear(r);
    return RC_OK;
}

/* Notes what the server is, with a new generation where the history may have gone back, or when
 * `renew`. One statement: it waits for another's row lock and judges what that one noted. */
static enum rc note_server(struct link *l, const struct server *now, bool keep_timeline,
                           bool renew) {
    const char *const params[] = {now->system_identifier, now->timeline, now->database_oid,
                                  keep_timeline ? "t" : "f", renew ? "t" : "f"};
    PGresult *r;
    enum rc rc = pass_over_inboxes(l, now, renew);
    if (rc != RC_OK)
        return rc;
    rc = ask(l,
             "INSERT INTO kez.store AS s (generation, system_identifier, timeline, database_oid)"
             " VALUES (left(replace(gen_random_uuid()::text, '-', ''), 16), $1, $2, $3)"
             " ON CONFLICT (only_one) DO UPDATE SET"
             " generation = CASE WHEN s.system_identifier = $1 AND s.database_oid = $3"
             "  AND (s.timeline = $2 OR $4::boolean) AND NOT $5::boolean"
             "  THEN s.generation ELSE excluded.generation END,"
             " system_identifier = $1, timeline = $2, database_oid = $3"
             " RETURNING generation",
             5, params, &r);
    if (rc != RC_OK)
        return rc;
    log_info("store generation is %s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return RC_OK;
}

/* Writes only when something changed: connections are made all the time. */
static enum rc check_epoch(struct link *l, const struct server *now, bool keep_timeline) {
    const char *const params[] = {now->system_identifier, now->timeline, now->database_oid};
    PGresult *r;
    enum rc rc = ask(l,
                     "SELECT EXISTS (SELECT FROM kez.store WHERE system_identifier = $1"
                     " AND timeline = $2 AND database_oid = $3)",
                     3, params, &r);
    if (rc != RC_OK)
        return rc;
    bool is_noted = is_true(r, 0);
    PQclear(r);
    return is_noted ? RC_OK : note_server(l, now, keep_timeline, false);
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
    enum rc rc = ask(l, sql, 3, params, &r);
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
    enum rc rc = ask(l, "SELECT set_config('transaction_timeout', $1::text, false)", 1, params, &r);
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
        rc = look(l, now);
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
    const struct store_config *c = &side->store->config;
    struct server now;
    char text[WHY_MAX + 1];
    const char *why = NULL;
    enum rc rc = set_up(l, c, &now, &why);
    if (rc == RC_OK)
        rc = check_epoch(l, &now, c->keep_epoch_on_timeline_change);
    if (rc == RC_OK)
        rc = limit_transactions(l, c->timeout_ms);
    if (rc == RC_OK)
        rc = prepare_statements(l);
    if (rc == RC_OK) {
        (void)snprintf(text, sizeof text, "%s %s %s", now.system_identifier, now.timeline,
                       now.database_oid);
        link_set_note(l, text);
    } else {
        print_failure(l, why, text);
        link_refuse(l, text);
    }
    return rc;
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
        rc = note_server(l, &now, config->keep_epoch_on_timeline_change, true);
    if (rc != RC_OK) {
        print_failure(l, sentence, said);
        *why = said;
    }
    link_free(l);
    return rc;
}

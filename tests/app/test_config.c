/* tests/app/test_config.c -- settings from flags, environment and files, and what is refused.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"
#include "app/settings.h"
#include "support/proc.h"

enum { MAX_WORDS = 12 };

/* The environment of the case under test: NAME=value. */
static const char *const *environment;

static char *fake_env(const char *name) {
    static char value[512];
    for (size_t i = 0; environment && environment[i]; i++) {
        size_t n = strlen(name);
        if (strncmp(environment[i], name, n) == 0 && environment[i][n] == '=') {
            snprintf(value, sizeof value, "%s", environment[i] + n + 1);
            return value;
        }
    }
    return NULL;
}

/* flags and env end with NULL. */
static enum rc read_with(const char *const flags[], const char *const env[], struct config *out,
                         struct buf *why) {
    const char *argv[MAX_WORDS + 1] = {"kez-chat-server"};
    int argc = 1;
    while (flags[argc - 1] && argc < MAX_WORDS) {
        argv[argc] = flags[argc - 1];
        argc++;
    }
    environment = env;
    buf_init(why, 4096);
    return config_read(argc, argv, fake_env, out, why);
}

static void read_well(const char *const flags[], const char *const env[], struct config *out) {
    struct buf why;
    if (read_with(flags, env, out, &why) != RC_OK)
        fail_msg("refused: %s", buf_cstr(&why));
    assert_int_equal(why.n, 0);
    buf_done(&why);
}

#define FLAGS(...)                                                                                 \
    (const char *const[]) { __VA_ARGS__, NULL }
#define NEEDED "--server=chat.example.org", "--database-url=postgresql://kez@db/kez"

/* A file in a directory of the test's; the path lives until the next call. */
static const char *file_of(const char *text) {
    static char path[512];
    static unsigned count;
    snprintf(path, sizeof path, "%s/%u.conf", proc_temp_dir(NULL), count++);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void what_nobody_sets_has_its_default(void **state) {
    (void)state;
    struct config c;
    read_well(FLAGS(NEEDED), NULL, &c);
    assert_int_equal(c.action, CONFIG_RUN);
    assert_string_equal(c.http.bind, "0.0.0.0:6969");
    assert_string_equal(c.http.admin_bind, "127.0.0.1:6970");
    assert_string_equal(c.server, "chat.example.org");
    assert_string_equal(c.sig_server, "https://chat.example.org");
    assert_string_equal(c.store.url, "postgresql://kez@db/kez");
    assert_null(c.bus.urls);
    assert_null(c.http.web_dir);
    assert_false(c.require_signed_posts);
    assert_int_equal(c.log_level, LOG_INFO);
    assert_int_equal(c.drain_time_s, 10);
    assert_int_equal(c.store.queue_bytes, 64 * 1024 * 1024);
    assert_int_equal(c.push.max_streams, 0);
    assert_in_range(c.push.max_streams_handle, 64, UINT32_MAX);
    assert_in_range(c.http.max_connections, 64, 4096);
    assert_in_range(c.push.shards, 1, BUS_SHARDS_MAX);
    assert_in_range(c.http.threads, 1, 256);
    assert_int_equal(c.push.look_again_ms[0], 250);
    assert_int_equal(c.push.look_again_ms[1], 2000);
    assert_int_equal(c.posts_unsigned_per_minute, 60);
    assert_int_equal(c.posts_signed_per_minute, 600);
    assert_false(c.store.keep_epoch_on_timeline_change);
    config_done(&c);
}

static void flag_beats_environment_beats_file_beats_default(void **state) {
    (void)state;
    const char *file = file_of("# three of them\n"
                               "drain-time = 3\n"
                               "  store-batch=33  \r\n"
                               "\n"
                               "server = file.example\n");
    const char *const env[] = {"KEZ_CHAT_DRAIN_TIME=2", "KEZ_CHAT_STORE_BATCH=22",
                               "DATABASE_URL=postgresql://env/kez", NULL};
    struct config c;
    read_well(FLAGS("--config", file, "--drain-time", "1"), env, &c);
    assert_int_equal(c.drain_time_s, 1);
    assert_int_equal(c.store.batch_items, 22);
    assert_string_equal(c.server, "file.example");
    assert_string_equal(c.store.url, "postgresql://env/kez");
    assert_int_equal(config_source_of(&c, settings_find(STR("server"))), CONFIG_FROM_FILE);
    assert_int_equal(config_source_of(&c, settings_find(STR("drain-time"))), CONFIG_FROM_FLAG);
    assert_int_equal(config_source_of(&c, settings_find(STR("bind"))), CONFIG_FROM_DEFAULT);
    config_done(&c);
}

static void an_empty_variable_is_as_good_as_none(void **state) {
    (void)state;
    const char *const env[] = {"KEZ_CHAT_BIND=", "NATS_URL=", "KEZ_CHAT_DRAIN_TIME=", NULL};
    struct config c;
    read_well(FLAGS(NEEDED), env, &c);
    assert_string_equal(c.http.bind, "0.0.0.0:6969");
    assert_null(c.bus.urls);
    config_done(&c);
}

static void both_forms_of_a_flag_mean_the_same_and_the_last_one_counts(void **state) {
    (void)state;
    struct config c;
    read_well(FLAGS(NEEDED, "--bind", ":1", "--bind=:2", "--require-signed-posts", "--log-level",
                    "debug", "--admin-bind="),
              NULL, &c);
    assert_string_equal(c.http.bind, ":2");
    assert_true(c.require_signed_posts);
    assert_int_equal(c.log_level, LOG_DEBUG);
    assert_null(c.http.admin_bind);
    config_done(&c);
    read_well(FLAGS(NEEDED, "--require-signed-posts", "no", "--on-timeline-change", "keep"), NULL,
              &c);
    assert_false(c.require_signed_posts);
    assert_true(c.store.keep_epoch_on_timeline_change);
    config_done(&c);
}

/* A script may switch all limits off without knowing them. */
static void every_limit_takes_0(void **state) {
    (void)state;
    for (size_t i = 0; i < settings_count; i++) {
        if (strncmp(settings[i].name, "limit-", 6) != 0)
            continue;
        char flag[80];
        snprintf(flag, sizeof flag, "--%s=0", settings[i].name);
        struct config c;
        read_well(FLAGS(NEEDED, flag), NULL, &c);
        assert_in_range(c.push.max_streams_handle, 64, UINT32_MAX);
        assert_in_range(c.http.max_connections, 64, 4096);
        config_done(&c);
    }
}

static void bytes_may_be_given_in_kib_and_mib(void **state) {
    (void)state;
    struct config c;
    read_well(
        FLAGS(NEEDED, "--store-queue-bytes=2MiB", "--outbox-bytes", "3KiB", "--head-bytes", "5000"),
        NULL, &c);
    assert_int_equal(c.store.queue_bytes, 2 * 1024 * 1024);
    assert_int_equal(c.push.outbox_bytes, 3 * 1024);
    assert_int_equal(c.http.head_max_bytes, 5000);
    config_done(&c);
}

static void the_sig_server_loses_its_trailing_slash(void **state) {
    (void)state;
    struct config c;
    read_well(FLAGS(NEEDED, "--sig-server-url", "https://sig.example.org/base//"), NULL, &c);
    assert_string_equal(c.sig_server, "https://sig.example.org/base");
    config_done(&c);
}

static void secrets_can_be_read_from_files(void **state) {
    (void)state;
    char file[512];
    snprintf(file, sizeof file, "%s", file_of("postgresql://kez:geheim@db/kez\n"));
    const char *const env[] = {"DATABASE_URL=postgresql://env/kez", NULL};
    struct config c;
    read_well(FLAGS("--server=a", "--database-url-file", file), env, &c);
    assert_string_equal(c.store.url, "postgresql://kez:geheim@db/kez");
    config_done(&c);

    char variable[600];
    snprintf(variable, sizeof variable, "KEZ_CHAT_DATABASE_URL_FILE=%s", file);
    const char *const far[] = {variable, NULL};
    read_well(FLAGS("--server=a", "--database-url=postgresql://flag/kez"), far, &c);
    assert_string_equal(c.store.url, "postgresql://flag/kez");
    config_done(&c);
}

static void flags_can_ask_for_something_else_than_a_run(void **state) {
    (void)state;
    static const struct {
        const char *flag;
        enum config_action want;
    } rows[] = {
        {"--help", CONFIG_HELP},
        {"--version", CONFIG_VERSION},
        {"--print-config", CONFIG_PRINT},
        {"--print-config=markdown", CONFIG_MARKDOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config c;
        read_well(FLAGS(rows[i].flag), NULL, &c);
        assert_int_equal(c.action, rows[i].want);
        config_done(&c);
    }
    struct config c;
    read_well(FLAGS("--check-config", NEEDED), NULL, &c);
    assert_int_equal(c.action, CONFIG_CHECK);
    config_done(&c);
    read_well(FLAGS("--new-epoch", "--database-url=host=db"), NULL, &c);
    assert_int_equal(c.action, CONFIG_NEW_EPOCH);
    config_done(&c);
}

/* `why` must have these two, on one line, and never the word geheim. */
static void check_refusal(enum rc rc, struct buf *why, const char *which, const char *allowed) {
    const char *line = buf_cstr(why);
    if (rc != RC_MALFORMED)
        fail_msg("not refused: %s", which);
    if (!strstr(line, which) || !strstr(line, allowed) || strstr(line, "geheim") ||
        strchr(line, '\n'))
        fail_msg("\"%s\" should tell of \"%s\" and \"%s\"", line, which, allowed);
    buf_done(why);
}

static void a_wrong_flag_is_refused_in_one_line_that_says_which_and_what_is_allowed(void **state) {
    (void)state;
    static const struct {
        const char *flags[5];
        const char *which, *allowed;
    } rows[] = {
        {{"--drain-time=ten", NEEDED}, "--drain-time is \"ten\"", "0 to 3600 (s)"},
        {{"--drain-time=3601", NEEDED}, "--drain-time", "0 to 3600 (s)"},
        {{"--drain-time=-1", NEEDED}, "--drain-time", "0 to 3600 (s)"},
        {{"--drain-time=1 0", NEEDED}, "--drain-time", "0 to 3600 (s)"},
        {{"--drain-time=10s", NEEDED}, "--drain-time", "0 to 3600 (s)"},
        {{"--drain-time=4294967297", NEEDED}, "--drain-time", "0 to 3600 (s)"},
        {{"--limit-streams=18446744073709551616", NEEDED}, "--limit-streams", "4294967295"},
        {{"--store-queue-bytes=1KiB", NEEDED}, "--store-queue-bytes", "1048576"},
        {{"--store-queue-bytes=4097MiB", NEEDED}, "--store-queue-bytes", "4293918720"},
        {{"--store-queue-bytes=MiB", NEEDED}, "--store-queue-bytes", "64KiB"},
        {{"--limit-streams=1KiB", NEEDED}, "--limit-streams", "0 to"},
        {{"--log-level=loud", NEEDED}, "--log-level", "debug, info, warn or error"},
        {{"--on-timeline-change=maybe", NEEDED}, "--on-timeline-change", "renew or keep"},
        {{"--require-signed-posts=maybe", NEEDED}, "--require-signed-posts", "yes or no"},
        {{"--bind=nonsense", NEEDED}, "--bind is \"nonsense\"", "host:port"},
        {{"--bind=", NEEDED}, "--bind", "host:port"},
        {{"--server=http://x", "--database-url=host=db"}, "--server", "a host name"},
        {{"--nats-url=nats://node:geheim@", NEEDED}, "--nats-url", "nats://host:port"},
        {{"--server=a", "--database-url=geheim"}, "--database-url", "postgresql://"},
        {{"--server=a"}, "--database-url (DATABASE_URL) is required", "postgresql://"},
        {{"--database-url=host=db"}, "--server (KEZ_CHAT_SERVER) is required", "a host name"},
        {{"--no-such-flag=geheim", NEEDED}, "--no-such-flag", "--help"},
        {{NEEDED, "geheim"}, "argument 3", "--name value"},
        {{NEEDED, "--bind"}, "--bind", "needs a value"},
        {{NEEDED, "--help=x"}, "--help", "is not a flag"},
        {{"--web-dir=/no/such/folder", NEEDED}, "--web-dir", "a folder that can be read"},
        {{"--nats-ca-file=/", NEEDED}, "--nats-ca-file", "a file that can be read"},
        {{"--database-url-file=/no/such/file", "--server=a"},
         "--database-url-file",
         "No such file"},
        {{"--config=/no/such/file", NEEDED}, "--config", "No such file"},
        {{"--config=/", NEEDED}, "--config", "directory"},
        {{"--database-url-file=/x", NEEDED}, "--database-url-file", "one of them"},
        {{"--keep-alive=1000", "--keep-alive-spread=1000", NEEDED}, "--keep-alive-spread", "less"},
        {{"--look-again-first=3000", NEEDED}, "--look-again-second", "--look-again-first"},
        {{"--store-queue=64", NEEDED}, "--store-batch", "--store-queue"},
        {{"--nats-name=a\nb", NEEDED}, "--nats-name is \"a?b\"", "a name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config c;
        struct buf why;
        const char *flags[6] = {0};
        memcpy(flags, rows[i].flags, sizeof rows[i].flags);
        check_refusal(read_with(flags, NULL, &c, &why), &why, rows[i].which, rows[i].allowed);
    }
}

static void a_wrong_variable_is_named(void **state) {
    (void)state;
    const char *const env[] = {"KEZ_CHAT_DRAIN_TIME=soon", NULL};
    struct config c;
    struct buf why;
    enum rc rc = read_with(FLAGS(NEEDED), env, &c, &why);
    check_refusal(rc, &why, "KEZ_CHAT_DRAIN_TIME is \"soon\"", "0 to 3600 (s)");
}

static void a_wrong_line_of_a_file_is_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *which, *allowed;
    } rows[] = {
        {"\n# x\ndrain-time = soon\n", ".conf, line 3: drain-time is \"soon\"", "0 to 3600 (s)"},
        {"drian-time = 3\n", ".conf, line 1: drian-time", "--help"},
        {"server = a\ngeheim\n", ".conf, line 2", "name = value"},
        {"server = a\nserver = b\n", ".conf, line 2", "set in line 1 already"},
        {"database-url = geheim\n", ".conf, line 1: database-url is wrong", "postgresql://"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config c;
        struct buf why;
        enum rc rc = read_with(FLAGS("--config", file_of(rows[i].text)), NULL, &c, &why);
        check_refusal(rc, &why, rows[i].which, rows[i].allowed);
    }
}

static void a_wrong_text_of_a_secret_file_is_named_but_not_shown(void **state) {
    (void)state;
    struct config c;
    struct buf why;
    enum rc rc =
        read_with(FLAGS("--server=a", "--database-url-file", file_of("geheim\n")), NULL, &c, &why);
    check_refusal(rc, &why, "--database-url-file (its text)", "postgresql://");
}

static void a_file_that_is_no_text_or_too_large_is_refused(void **state) {
    (void)state;
    struct config c;
    struct buf why;
    buf_init(&why, 4096);
    enum rc rc = config_read_text((struct str){"a\0b", 3}, &c, &why);
    check_refusal(rc, &why, "configuration", "not a text");
    char *large = malloc(70000);
    assert_non_null(large);
    memset(large, '#', 69999);
    large[69999] = '\0';
    rc = read_with(FLAGS("--config", file_of(large)), NULL, &c, &why);
    free(large);
    check_refusal(rc, &why, "--config", "65536 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_sets_has_its_default),
        cmocka_unit_test(flag_beats_environment_beats_file_beats_default),
        cmocka_unit_test(an_empty_variable_is_as_good_as_none),
        cmocka_unit_test(both_forms_of_a_flag_mean_the_same_and_the_last_one_counts),
        cmocka_unit_test(every_limit_takes_0),
        cmocka_unit_test(bytes_may_be_given_in_kib_and_mib),
        cmocka_unit_test(the_sig_server_loses_its_trailing_slash),
        cmocka_unit_test(secrets_can_be_read_from_files),
        cmocka_unit_test(flags_can_ask_for_something_else_than_a_run),
        cmocka_unit_test(a_wrong_flag_is_refused_in_one_line_that_says_which_and_what_is_allowed),
        cmocka_unit_test(a_wrong_variable_is_named),
        cmocka_unit_test(a_wrong_line_of_a_file_is_named),
        cmocka_unit_test(a_wrong_text_of_a_secret_file_is_named_but_not_shown),
        cmocka_unit_test(a_file_that_is_no_text_or_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

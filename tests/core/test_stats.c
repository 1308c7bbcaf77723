/* tests/core/test_stats.c -- the text of /metrics, read back by the rules of the format.
 *
 * Source: Prometheus text exposition format 0.0.4: `# HELP name text`, `# TYPE name type`, then all
 * samples of that family, `name{label="value"} number`, each line ended by LF.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/stats.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FAMILIES_MAX = 128, SAMPLES_MAX = 32, NAME_MAX_BYTES = 64 };

struct sample {
    char suffix[16], le[16]; /* what follows the family's name; "" when there is none */
    double value;
};

struct family {
    char name[NAME_MAX_BYTES], type[16];
    size_t n;
    struct sample samples[SAMPLES_MAX];
};

struct text {
    size_t n;
    struct family families[FAMILIES_MAX];
};

static bool is_name(struct str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_'))
            return false;
    return str_starts_with(s, STR("kez_")) && s.n < NAME_MAX_BYTES;
}

static void copy(char *out, size_t size, struct str s) {
    assert_true(s.n < size);
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
}

/* `# HELP name text` opens a family that was not there before. */
static void read_help(struct str line, struct text *t) {
    struct str name, help;
    assert_true(str_cut(str_from(line, 7), ' ', &name, &help));
    assert_true(is_name(name));
    assert_true(help.n > 0 && !memchr(help.p, '\\', help.n));
    assert_true(t->n < FAMILIES_MAX);
    for (size_t i = 0; i < t->n; i++)
        assert_false(str_eq(str_of(t->families[i].name), name));
    copy(t->families[t->n].name, NAME_MAX_BYTES, name);
    t->n++;
}

static void read_type(struct str line, struct family *f) {
    struct str name, type;
    assert_true(str_cut(str_from(line, 7), ' ', &name, &type));
    assert_true(str_eq(name, str_of(f->name)));
    assert_int_equal(f->n, 0);
    assert_string_equal(f->type, "");
    copy(f->type, sizeof f->type, type);
}

static void read_sample(struct str line, struct family *f) {
    struct str name, value, le;
    struct sample *s = &f->samples[f->n++];
    assert_true(f->n <= SAMPLES_MAX);
    assert_string_not_equal(f->type, "");
    assert_true(str_cut(line, ' ', &name, &value));
    assert_true(str_starts_with(name, str_of(f->name)));
    if (str_cut(name, '{', &name, &le)) {
        assert_true(str_starts_with(le, STR("le=\"")));
        assert_true(str_eq(str_from(le, le.n - 2), STR("\"}")));
        copy(s->le, sizeof s->le, (struct str){le.p + 4, le.n - 6});
    }
    copy(s->suffix, sizeof s->suffix, str_from(name, strlen(f->name)));
    char number[32], *end;
    copy(number, sizeof number, value);
    s->value = strtod(number, &end);
    assert_true(value.n > 0 && *end == '\0');
}

static struct text *read_text(void) {
    static struct text t;
    struct buf b;
    struct str rest, line;
    memset(&t, 0, sizeof t);
    buf_init(&b, 1 << 20);
    stats_put(&b);
    assert_int_equal(buf_rc(&b), RC_OK);
    for (rest = buf_str(&b); rest.n > 0;) {
        assert_true(str_cut(rest, '\n', &line, &rest));
        if (str_starts_with(line, STR("# HELP ")))
            read_help(line, &t);
        else if (str_starts_with(line, STR("# TYPE ")))
            read_type(line, &t.families[t.n - 1]);
        else
            read_sample(line, &t.families[t.n - 1]);
    }
    buf_done(&b);
    return &t;
}

static const struct family *find(const struct text *t, const char *name) {
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->families[i].name, name) == 0)
            return &t->families[i];
    fail_msg("%s is missing", name);
    return NULL;
}

static void check_number(const struct text *t, const char *field, const char *type, double want) {
    char name[NAME_MAX_BYTES];
    bool counts = strcmp(type, "counter") == 0;
    (void)snprintf(name, sizeof name, "kez_%s%s", field, counts ? "_total" : "");
    const struct family *f = find(t, name);
    assert_string_equal(f->type, type);
    assert_int_equal(f->n, 1);
    assert_string_equal(f->samples[0].suffix, "");
    assert_string_equal(f->samples[0].le, "");
    if (f->samples[0].value != want)
        fail_msg("%s: %f", name, f->samples[0].value);
}

static void every_number_is_exported_with_its_value(void **state) {
    (void)state;
    int64_t next = 1;
#define X(field, type, help) stats_add(field, next++);
    STATS_LIST(X)
#undef X
    stats_set(store_up, -5);
    const struct text *t = read_text();
    next = 1;
#define X(field, type, help)                                                                       \
    check_number(t, #field, type, strcmp(#field, "store_up") == 0 ? -5 : (double)next);            \
    next++;
    STATS_LIST(X)
#undef X
    assert_int_equal(t->n, next - 1 + STATS_HISTOGRAM_COUNT);
    assert_string_equal(find(t, "kez_streams")->type, "gauge");
}

/* Buckets cumulative with ends that rise to +Inf, then sum, then count. */
static void check_histogram(const struct text *t, const char *field) {
    char name[NAME_MAX_BYTES];
    (void)snprintf(name, sizeof name, "kez_%s", field);
    const struct family *f = find(t, name);
    double end = 0, count = 0;
    assert_string_equal(f->type, "histogram");
    assert_true(f->n > 3);
    for (size_t i = 0; i + 2 < f->n; i++) {
        const struct sample *s = &f->samples[i];
        bool last = i + 3 == f->n;
        assert_string_equal(s->suffix, "_bucket");
        assert_int_equal(strcmp(s->le, "+Inf") == 0, last);
        assert_true(last || strtod(s->le, NULL) > end);
        assert_true(s->value >= count);
        end = strtod(s->le, NULL);
        count = s->value;
    }
    assert_string_equal(f->samples[f->n - 2].suffix, "_sum");
    assert_string_equal(f->samples[f->n - 1].suffix, "_count");
    assert_true(f->samples[f->n - 1].value == count);
}

static void every_histogram_is_well_formed(void **state) {
    (void)state;
    const struct text *t = read_text();
#define X(field, help) check_histogram(t, #field);
    STATS_HISTOGRAMS(X)
#undef X
}

/* The bucket counts of a histogram in the text, by upper end. */
static double at_most(const struct text *t, const char *name, const char *le) {
    const struct family *f = find(t, name);
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->samples[i].le, le) == 0)
            return f->samples[i].value;
    fail_msg("%s has no bucket %s", name, le);
    return -1;
}

static void an_observation_counts_in_every_bucket_it_fits(void **state) {
    (void)state;
    static const char name[] = "kez_store_round_trip_seconds";
    static const uint64_t us[] = {0, 50, 51, 1000000, 10000000, 10000001};
    for (size_t i = 0; i < sizeof us / sizeof *us; i++)
        stats_observe_us(STATS_store_round_trip_seconds, us[i]);
    const struct text *t = read_text();
    assert_true(at_most(t, name, "0.00005") == 2);
    assert_true(at_most(t, name, "0.0001") == 3);
    assert_true(at_most(t, name, "0.5") == 3);
    assert_true(at_most(t, name, "1") == 4);
    assert_true(at_most(t, name, "5") == 4);
    assert_true(at_most(t, name, "10") == 5);
    assert_true(at_most(t, name, "+Inf") == 6);
    const struct family *f = find(t, name);
    assert_true(f->samples[f->n - 2].value == 21.000102);
    check_histogram(t, "store_round_trip_seconds");
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *observe(void *arg) {
    for (uint64_t i = 0; i < ROUNDS; i++) {
        stats_observe_us(STATS_request_seconds, i);
        stats_add(requests, 1);
    }
    return arg;
}

static void the_text_agrees_with_itself_while_others_count(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    stats_set(requests, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, observe, NULL), 0);
    for (int i = 0; i < 20; i++)
        check_histogram(read_text(), "request_seconds");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    const struct text *t = read_text();
    check_number(t, "requests", "counter", THREADS * ROUNDS);
    assert_true(at_most(t, "kez_request_seconds", "+Inf") == THREADS * ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_exported_with_its_value),
        cmocka_unit_test(every_histogram_is_well_formed),
        cmocka_unit_test(an_observation_counts_in_every_bucket_it_fits),
        cmocka_unit_test(the_text_agrees_with_itself_while_others_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

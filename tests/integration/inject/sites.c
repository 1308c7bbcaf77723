/* tests/integration/inject/sites.c -- the places of the server that call what may fail.
 *
 * The way to a call is read from the frame pointers, which all our code keeps, as far as the return
 * addresses are our own: a library's frames may hold anything.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "integration/inject/sites.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { FRAME_MAX_BYTES = 1 << 20 }; /* between two frames */

struct site {
    const char *name;
    uintptr_t way[SITES_DEPTH]; /* 0: it ends before */
};

/* Of the linker: the program's code lies between them. */
extern const char __executable_start, etext;

static _Thread_local bool is_exempt;
static atomic_flag lock = ATOMIC_FLAG_INIT; /* guards what follows; no malloc is called under it */
static struct site sites[SITES_MAX];
static size_t count, armed = SITES_MAX;
static bool is_recording;

static void take_lock(void) {
    while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
        continue;
}

static void give_lock(void) { atomic_flag_clear_explicit(&lock, memory_order_release); }

void sites_exempt_me(void) { is_exempt = true; }

void sites_record(bool on) {
    take_lock();
    is_recording = on;
    give_lock();
}

size_t sites_count(void) {
    take_lock();
    size_t n = count;
    give_lock();
    return n;
}

void sites_arm(size_t site) {
    take_lock();
    armed = site;
    give_lock();
}

bool sites_disarm(void) {
    take_lock();
    bool has_failed = armed == SITES_MAX;
    armed = SITES_MAX;
    give_lock();
    return has_failed;
}

const char *sites_name(size_t site) { return sites[site].name; }

void sites_print(size_t site) {
    printf("%s", sites[site].name);
    for (size_t i = 0; i < SITES_DEPTH && sites[site].way[i]; i++)
        printf(" %#" PRIxPTR, sites[site].way[i] - (uintptr_t)&__executable_start);
    (void)putchar('\n');
}

static bool is_ours(uintptr_t address) {
    return address >= (uintptr_t)&__executable_start && address < (uintptr_t)&etext;
}

/* frame[0] is the caller's frame, frame[1] where it goes on. */
static void read_way(void *const *frame, uintptr_t way[SITES_DEPTH]) {
    for (size_t i = 0; i < SITES_DEPTH && is_ours((uintptr_t)frame[1]); i++) {
        void *const *next = frame[0];
        way[i] = (uintptr_t)frame[1];
        if ((uintptr_t)next <= (uintptr_t)frame || (uintptr_t)next % sizeof(void *) != 0 ||
            (uintptr_t)next - (uintptr_t)frame > FRAME_MAX_BYTES)
            return;
        frame = next;
    }
}

/* Holds the lock. The number of the site; SITES_MAX when it is new and not to be noted. */
static size_t find(const char *name, const uintptr_t way[SITES_DEPTH]) {
    for (size_t i = 0; i < count; i++)
        if (sites[i].name == name && memcmp(sites[i].way, way, sizeof sites[i].way) == 0)
            return i;
    if (!is_recording || count == SITES_MAX)
        return SITES_MAX;
    sites[count].name = name;
    memcpy(sites[count].way, way, sizeof sites[count].way);
    return count++;
}

bool sites_fails(const char *name, void *const *frame) {
    uintptr_t way[SITES_DEPTH] = {0};
    if (is_exempt)
        return false;
    read_way(frame, way);
    if (way[0] == 0)
        return false;
    take_lock();
    size_t site = find(name, way);
    bool fails = site < SITES_MAX && site == armed;
    if (fails)
        armed = SITES_MAX;
    give_lock();
    return fails;
}

/* tests/support/proc.h -- child processes of a test: started, watched, and gone when the test is.
 *
 * Every child is a process group of its own and is killed when the test program exits or dies
 * (PR_SET_PDEATHSIG, atexit). Failures of the support code itself fail the cmocka test with a
 * sentence.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_PROC_H
#define SUPPORT_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc;

/* Starts argv[0] (looked up in PATH), output to log_path (appended). user: run as this user when
 * the test runs as root (PostgreSQL refuses root); NULL: as we are. */
struct proc *proc_start(const char *const argv[], const char *log_path, const char *user);
pid_t proc_pid(const struct proc *p);
/* Sends a signal to the child alone. */
void proc_signal(struct proc *p, int sig);
/* SIGSTOP, and waits until no thread of it runs any more: another processor hears of the signal a
 * while later. */
void proc_freeze(pid_t pid);
/* Waits for the end; true with the wait status in *status, false after timeout_ms. */
bool proc_wait(struct proc *p, unsigned timeout_ms, int *status);
/* Kills it if it still runs, reaps it, frees. NULL-safe. */
void proc_stop(struct proc *p);

/* Runs a program to its end, output to log_path; its exit code, or 128 + signal. */
int proc_run(const char *const argv[], const char *log_path, const char *user, unsigned timeout_ms);

/* A TCP port on 127.0.0.1 that is free, and that no other test program is given, nor this one a
 * second time, before this program ends. It costs a descriptor. */
uint16_t proc_free_port(void);
/* The same of this very port; false: it is not free, or another's. */
bool proc_claim_port(uint16_t port);
/* The whole text of a file, NUL-terminated; the caller frees. */
char *proc_read_file(const char *path);
/* A new directory under TMPDIR, removed at exit; readable by `user` too. Never freed. */
const char *proc_temp_dir(const char *user);
/* Polls until is_so(arg) or timeout_ms; what it returned last. The one place that waits. */
bool proc_poll(bool (*is_so)(void *arg), void *arg, unsigned timeout_ms);

#endif

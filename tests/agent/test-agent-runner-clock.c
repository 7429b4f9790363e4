/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the clock of a guest is hidden from all of it, for an interpreter that seeds its generators
 * again. The runner itself, with a clock that the linker puts in the place of the host's. */
#include <glib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent-runner-private.h"

#define SHOWN_NS G_GINT64_CONSTANT (1800000000000000000)

typedef struct
{
  BerthAgentLoop loop;
  BerthAgentGroups groups;
  BerthAgentRunner runner;
  BerthAgentTimer look;
  int peer; /* the interpreter's end */
} Fixture;

/* of CLOCK_REALTIME; the linker's name for the fake is a reserved one */
static gint64 realtime_ns = SHOWN_NS;

int __wrap_clock_settime (clockid_t id, const struct timespec *now);
int __wrap_clock_gettime (clockid_t id, struct timespec *out_now);
int __real_clock_gettime (clockid_t id, struct timespec *out_now);

int
__wrap_clock_settime (clockid_t id, const struct timespec *now)
{
  g_assert_cmpint (id, ==, CLOCK_REALTIME);
  realtime_ns = (gint64)now->tv_sec * 1000000000 + now->tv_nsec;
  return 0;
}

int
__wrap_clock_gettime (clockid_t id, struct timespec *out_now)
{
  if (id != CLOCK_REALTIME)
    return __real_clock_gettime (id, out_now);
  *out_now = (struct timespec){ realtime_ns / 1000000000, realtime_ns % 1000000000 };
  return 0;
}

static gboolean
is_hidden (void)
{
  return realtime_ns < SHOWN_NS;
}

static void
changed_cb (void *data, BerthAgentRunner *runner)
{
}

/* The loop goes on until the clock is shown. */
static void
look_cb (void *data)
{
  Fixture *fixture = data;

  if (is_hidden ())
    berth_agent_timer_arm (&fixture->loop, &fixture->look, 1000);
  else
    fixture->loop.quit = true;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  BerthAgentRunner *runner = &fixture->runner;
  int ends[2];

  realtime_ns = SHOWN_NS;
  g_assert_true (berth_agent_loop_init (&fixture->loop));
  berth_agent_groups_init (&fixture->groups);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  berth_agent_runner_init (runner, &fixture->loop, &fixture->groups, changed_cb, NULL);
  g_assert_true (berth_agent_watch_add (&fixture->loop, &runner->control, ends[0], EPOLLIN));
  fixture->peer = ends[1];
  fixture->look = (BerthAgentTimer){ .fire = look_cb, .data = fixture };
  runner->language = BERTH_LANGUAGE_JAVASCRIPT;
  runner->is_session = true;
  runner->identities = 1;
  runner->state = BERTH_AGENT_RUNNER_RUNNING;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  berth_agent_runner_release (&fixture->runner);
  g_assert_false (is_hidden ());
  close (fixture->peer);
  berth_agent_loop_clear (&fixture->loop);
}

/* As the program of an exec; returns the kind of the message that the interpreter got */
static char
start (Fixture *fixture, unsigned identities)
{
  const BerthAgentProgram program
      = { .script = "x", .env = "", .is_once = true, .identities = identities, .is_init = true };
  char message[4096];

  g_assert_true (berth_agent_runner_start_session (&fixture->runner, &program));
  g_assert_cmpint (recv (fixture->peer, message, sizeof message, 0), >, 5);
  return message[4];
}

/* The interpreter says so, and the agent has read it. */
static void
tell (Fixture *fixture, char kind, guint8 status)
{
  guint8 report[BERTH_AGENT_CONTROL_REPORT_SIZE] = { (guint8)kind };

  berth_le32_write (report + 1, fixture->runner.token);
  report[5] = status;
  g_assert_cmpint (send (fixture->peer, report, sizeof report, 0), ==, sizeof report);
  berth_agent_runner_read_report (&fixture->runner);
}

/* Whatever keeps it from its message, everybody else has the time. */
static void
test_hidden_when_asked (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (start (fixture, 2), ==, 'H');
  g_assert_false (is_hidden ());
  tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 1);
  g_assert_true (is_hidden ());
  tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 0);
  g_assert_false (is_hidden ());
  g_assert_cmpint (realtime_ns - SHOWN_NS, <, 60 * G_GINT64_CONSTANT (1000000000));
  tell (fixture, BERTH_AGENT_CONTROL_OPENED, 0);
  tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 1);
  g_assert_false (is_hidden ()); /* a program has no such wish */
}

/* Who asks and does nothing more has it shown again. */
static void
test_shown_in_time (Fixture *fixture, gconstpointer data)
{
  start (fixture, 2);
  tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 1);
  g_assert_true (is_hidden ());
  berth_agent_timer_arm (&fixture->loop, &fixture->look, 1000);
  berth_agent_loop_run (&fixture->loop);
  g_assert_false (is_hidden ());
}

static void
test_shown_at_the_end (Fixture *fixture, gconstpointer data)
{
  start (fixture, 2);
  tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 1);
  tell (fixture, BERTH_AGENT_CONTROL_OPENED, 0);
  g_assert_false (is_hidden ());
}

static void
test_bounded (Fixture *fixture, gconstpointer data)
{
  start (fixture, 2);
  for (guint i = 0; i < 100; i++)
    {
      tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 1);
      g_assert_true (is_hidden ());
    }
  tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 1);
  g_assert_false (is_hidden ());
}

/* One whose generators are of this identity, or of a time before any, needs nothing. */
static void
test_not_hidden_without_need (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (start (fixture, 1), ==, 'o');
  tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 1);
  g_assert_false (is_hidden ());
  fixture->runner.identities = 0;
  g_assert_cmpint (start (fixture, 1), ==, 'O');
  tell (fixture, BERTH_AGENT_CONTROL_CLOCK, 1);
  g_assert_false (is_hidden ());
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                                            \
  g_test_add ("/agent-runner-clock/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("hidden-when-asked", test_hidden_when_asked);
  ADD ("shown-in-time", test_shown_in_time);
  ADD ("shown-at-the-end", test_shown_at_the_end);
  ADD ("bounded", test_bounded);
  ADD ("not-hidden-without-need", test_not_hidden_without_need);
#undef ADD
  return g_test_run ();
}

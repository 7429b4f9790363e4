/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sandbox makes of what goes on in the background by itself: how long that may take, and
 * when a terminal that nobody sits at is hung up. */
#include "plugin/manager/berth-sandbox.h"
#include "tests/host/fake-answer.h"
#include "tests/host/fake-host.h"

#define IDLE_US (20 * G_TIME_SPAN_SECOND)
#define HANGUP_US (60 * G_TIME_SPAN_SECOND)

typedef struct
{
  FakeHost *host;
  BerthSandbox *sandbox;
  guint n_idle;
} World;

static void
run_dry (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
idle_cb (BerthSandbox *sandbox, gpointer user_data)
{
  ((World *)user_data)->n_idle++;
}

static void
set_up (World *world, gconstpointer data)
{
  g_autoptr (BerthVm) vm = berth_vm_new_adopted ("0123456789abcdef0123456789abcdef",
                                                 BERTH_SHAPE ("python", 192, 1), NULL, 0);

  world->host = fake_host_new ();
  world->sandbox = berth_sandbox_new (vm, BERTH_HOST (world->host), 1000, IDLE_US, idle_cb, world);
}

static void
tear_down (World *world, gconstpointer data)
{
  run_dry ();
  g_assert_finalize_object (world->sandbox);
  g_assert_finalize_object (world->host);
}

/* What is left of its time is known to a later berthd, too; without a limit there is none. */
static void
test_background_limit_left (World *world, gconstpointer data)
{
  fake_answer_set_execs (BERTH_HOST (world->host),
                         g_variant_new_parsed ("[{'exec': <uint32 4>, 'state': <'running'>, "
                                               "'kind': <'code'>, 'wall_ms': <1500.5>, "
                                               "'timeout_ms': <uint32 %u>}]",
                                               GPOINTER_TO_UINT (data)));
  berth_sandbox_adopt (world->sandbox);
  run_dry ();
  g_assert_cmpuint (fake_answer_get_limit_ms (BERTH_HOST (world->host)), ==,
                    GPOINTER_TO_UINT (data) > 1500 ? GPOINTER_TO_UINT (data) - 1500 : 1);
}

static void
sit_down (World *world)
{
  BerthBackgroundRequest *request = berth_background_request_new (BERTH_BACKGROUND_ATTACH, 4);

  request->tty = berth_tty_new (24, 80);
  berth_sandbox_background_async (world->sandbox, request, NULL, NULL, NULL);
}

static void
assert_asked (World *world, guint count)
{
  run_dry ();
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_BACKGROUND), ==, count);
}

/* A terminal that nobody sits at is hung up in the end, also one of an earlier berthd; while
 * somebody does it is not, and it never makes the sandbox idle. */
static void
test_hangup (World *world, gconstpointer data)
{
  berth_sandbox_set_hangup (world->sandbox, HANGUP_US);
  fake_answer_set_execs (
      BERTH_HOST (world->host),
      g_variant_new_parsed ("[{'exec': <uint32 4>, 'state': <'running'>, 'kind': <'terminal'>}]"));
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  berth_sandbox_adopt (world->sandbox);
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, FALSE);
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  assert_asked (world, 2); /* for the list, and its end is waited for */
  fake_host_advance (world->host, HANGUP_US - 1);
  assert_asked (world, 2);
  sit_down (world);
  fake_host_advance (world->host, 10 * HANGUP_US);
  assert_asked (world, 3);
  fake_host_answer_last (world->host, FAKE_HOST_BACKGROUND);
  run_dry ();
  fake_host_advance (world->host, HANGUP_US - 1);
  assert_asked (world, 3);
  fake_host_advance (world->host, 1);
  assert_asked (world, 4);
  fake_host_advance (world->host, HANGUP_US); /* it did not help */
  assert_asked (world, 5);
  g_assert_cmpuint (world->n_idle, ==, 0);
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, FALSE);
  run_dry ();
  fake_host_advance (world->host, 10 * HANGUP_US);
  assert_asked (world, 5);
  g_assert_cmpuint (world->n_idle, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/sandbox-terminal/limit-left", World, GUINT_TO_POINTER (5000), set_up,
              test_background_limit_left, tear_down);
  g_test_add ("/sandbox-terminal/limit-over", World, GUINT_TO_POINTER (1000), set_up,
              test_background_limit_left, tear_down);
  g_test_add ("/sandbox-terminal/hangup", World, NULL, set_up, test_hangup, tear_down);
  return g_test_run ();
}

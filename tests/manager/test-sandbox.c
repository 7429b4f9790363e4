/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what a sandbox makes of its execs and transfers: whose turn it is, when it counts as
 * unused, and what each hears when the sandbox closes. By itself, on a host that answers when it is
 * told to. */
#include <string.h>

#include "plugin/manager/berth-sandbox.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"
#include "tests/host/fake-answer.h"
#include "tests/host/fake-host.h"

#define IDLE_US (20 * G_TIME_SPAN_SECOND)

typedef struct
{
  FakeHost *host;
  BerthSandbox *sandbox;
  guint n_idle;
} World;

/* One call: its answer, once it is there */
typedef struct
{
  GCancellable *cancellable;
  GAsyncResult *result;
} Call;

static void
call_clear (Call *call)
{
  g_clear_object (&call->cancellable);
  g_clear_object (&call->result);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Call, call_clear)

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;

  g_assert_null (call->result);
  call->result = g_object_ref (result);
}

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

static void
exec (World *world, Call *call)
{
  g_autoptr (GBytes) code = g_bytes_new_static ("true", 4);

  call->cancellable = g_cancellable_new ();
  berth_sandbox_exec_async (world->sandbox, berth_exec_new (code), call->cancellable, answered_cb,
                            call);
}

static void
command (World *world, Call *call)
{
  const char *const argv[] = { "true", NULL };
  g_autoptr (GBytes) code = berth_exec_pack_command (argv);
  BerthExec *made = berth_exec_new (code);

  made->is_command = TRUE;
  if (call->cancellable == NULL)
    call->cancellable = g_cancellable_new ();
  berth_sandbox_exec_async (world->sandbox, made, call->cancellable, answered_cb, call);
}

static void
carry (World *world, Call *call)
{
  BerthFileRequest *file = berth_file_request_new (BERTH_FILE_LIST, ".");

  call->cancellable = g_cancellable_new ();
  berth_sandbox_file_async (world->sandbox, file, call->cancellable, answered_cb, call);
}

static BerthResult *
finish (World *world, Call *call, GError **error)
{
  g_assert_nonnull (call->result);
  return berth_sandbox_exec_finish (world->sandbox, call->result, error);
}

static void
assert_ended (World *world, Call *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = finish (world, call, &error);

  g_assert_no_error (error);
}

static void
assert_failed (World *world, Call *call, GQuark domain, gint code, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = finish (world, call, &error);

  g_assert_null (result);
  g_assert_error (error, domain, code);
  if (text != NULL)
    g_assert_nonnull (strstr (error->message, text));
}

static guint
count_begun (World *world)
{
  return fake_host_count_calls (world->host, FAKE_HOST_EXEC);
}

static void
answer_one (World *world, FakeHostCall what)
{
  fake_host_hold (world->host, what, FALSE);
  fake_host_hold (world->host, what, TRUE);
  run_dry ();
}

/* one at a time, in the order asked, whether the one before ends well or not */
static void
test_turns (World *world, gconstpointer data)
{
  g_auto (Call) first = { 0 }, second = { 0 }, third = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  exec (world, &first);
  exec (world, &second);
  exec (world, &third);
  run_dry ();
  g_assert_cmpuint (count_begun (world), ==, 1);
  fake_host_fail (world->host, FAKE_HOST_EXEC,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_INVALID, "wrong"));
  answer_one (world, FAKE_HOST_EXEC);
  fake_host_fail (world->host, FAKE_HOST_EXEC, NULL);
  assert_failed (world, &first, BERTH_ERROR, BERTH_ERROR_INVALID, "wrong");
  g_assert_null (second.result);
  g_assert_cmpuint (count_begun (world), ==, 2);
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &second);
  g_assert_null (third.result);
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &third);
  g_assert_cmpuint (berth_sandbox_get_exec_count (world->sandbox), ==, 2);
}

/* the first result tells how the sandbox was made, none after it does */
static void
test_origin (World *world, gconstpointer data)
{
  const BerthOrigin origin = { .start = "warm", .wait_us = 3, .start_us = 4 };
  g_auto (Call) first = { 0 }, second = { 0 };
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (BerthResult) later = NULL;

  berth_sandbox_set_origin (world->sandbox, &origin);
  exec (world, &first);
  run_dry ();
  exec (world, &second);
  run_dry ();
  result = finish (world, &first, NULL);
  later = finish (world, &second, NULL);
  g_assert_cmpstr (result->origin.start, ==, "warm");
  g_assert_cmpint (result->origin.wait_us, ==, 3);
  g_assert_cmpint (result->origin.start_us, ==, 4);
  g_assert_null (later->origin.start);
  g_assert_cmpint (later->origin.wait_us, ==, 0);
  g_assert_cmpstr (later->template_name, ==, "python");
  g_assert_cmpstr (later->sandbox_id, ==, berth_sandbox_get_id (world->sandbox));
}

/* who cancels while it waits never gets the VM; whose turn it is by then has it */
static void
test_cancelled_while_waiting (World *world, gconstpointer data)
{
  g_auto (Call) first = { 0 }, second = { 0 }, third = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  exec (world, &first);
  exec (world, &second);
  exec (world, &third);
  g_cancellable_cancel (second.cancellable);
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &first);
  assert_failed (world, &second, G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
  g_assert_cmpuint (count_begun (world), ==, 2);
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &third);
}

/* Those that wait hear it at once; the one that runs hears its own end, which is what is known. */
static void
test_close (World *world, gconstpointer data)
{
  g_auto (Call) running = { 0 }, waiting = { 0 }, late = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  exec (world, &running);
  exec (world, &waiting);
  g_assert_false (g_cancellable_is_cancelled (berth_sandbox_get_closed (world->sandbox)));
  berth_sandbox_close (world->sandbox, "it was destroyed");
  g_assert_true (g_cancellable_is_cancelled (berth_sandbox_get_closed (world->sandbox)));
  berth_sandbox_close (world->sandbox, "a second reason");
  exec (world, &late);
  run_dry ();
  g_assert_true (berth_sandbox_is_closed (world->sandbox));
  assert_failed (world, &waiting, BERTH_ERROR, BERTH_ERROR_GONE, "is gone: it was destroyed;");
  assert_failed (world, &late, BERTH_ERROR, BERTH_ERROR_GONE, "is gone: it was destroyed;");
  g_assert_null (running.result);
  fake_host_fail (world->host, FAKE_HOST_EXEC,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN, "cut"));
  answer_one (world, FAKE_HOST_EXEC);
  fake_host_fail (world->host, FAKE_HOST_EXEC, NULL);
  assert_failed (world, &running, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN,
                 "ended while its code ran (it was destroyed)");
  g_assert_cmpuint (count_begun (world), ==, 1);
}

/* a program's end that is known is told, though the sandbox closed meanwhile */
static void
test_end_known_after_close (World *world, gconstpointer data)
{
  g_auto (Call) running = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  exec (world, &running);
  berth_sandbox_close (world->sandbox, "it was destroyed");
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &running);
}

/* Its idle time runs while nothing does, and from the end of the last. */
static void
test_idle (World *world, gconstpointer data)
{
  g_auto (Call) program = { 0 }, file = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  fake_host_hold (world->host, FAKE_HOST_FILE, TRUE);
  fake_host_advance (world->host, IDLE_US - 1);
  exec (world, &program);
  fake_host_advance (world->host, 10 * IDLE_US);
  carry (world, &file);
  answer_one (world, FAKE_HOST_EXEC);
  fake_host_advance (world->host, 10 * IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 0);
  answer_one (world, FAKE_HOST_FILE);
  fake_host_advance (world->host, IDLE_US - 1);
  g_assert_cmpuint (world->n_idle, ==, 0);
  fake_host_advance (world->host, 1);
  g_assert_cmpuint (world->n_idle, ==, 1);
  fake_host_advance (world->host, 10 * IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 1);
}

/* the same where the transfer ends first */
static void
test_idle_after_exec (World *world, gconstpointer data)
{
  g_auto (Call) program = { 0 }, file = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  exec (world, &program);
  carry (world, &file);
  run_dry ();
  g_assert_nonnull (file.result);
  fake_host_advance (world->host, 10 * IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 0);
  answer_one (world, FAKE_HOST_EXEC);
  fake_host_advance (world->host, IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 1);
}

/* Commands begin at once, code waits for code alone. */
static void
test_commands_beside (World *world, gconstpointer data)
{
  g_auto (Call) first = { 0 }, second = { 0 }, one = { 0 }, other = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  command (world, &one);
  exec (world, &first);
  exec (world, &second);
  command (world, &other);
  run_dry ();
  g_assert_cmpuint (count_begun (world), ==, 3);
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &one);
  assert_ended (world, &first);
  assert_ended (world, &other);
  g_assert_null (second.result);
  g_assert_cmpuint (count_begun (world), ==, 4);
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &second);
  g_assert_cmpuint (berth_sandbox_get_exec_count (world->sandbox), ==, 4);
}

static void
start (World *world, Call *call, gboolean is_command)
{
  const char *const argv[] = { "true", NULL };
  g_autoptr (GBytes) code
      = is_command ? berth_exec_pack_command (argv) : g_bytes_new_static ("true", 4);
  BerthExec *made = berth_exec_new (code);

  made->is_command = is_command;
  made->is_detached = TRUE;
  berth_sandbox_exec_async (world->sandbox, made, NULL, answered_cb, call);
}

/* @limit_ms: 0: none */
static void
start_limited (World *world, Call *call, guint limit_ms)
{
  g_autoptr (GBytes) code = g_bytes_new_static ("true", 4);
  BerthExec *made = berth_exec_new (code);

  made->is_detached = TRUE;
  made->has_no_limit = limit_ms == 0;
  made->timeout_ms = MAX (limit_ms, 1);
  berth_sandbox_exec_async (world->sandbox, made, NULL, answered_cb, call);
}

/* Who began it has its number; until it ends the sandbox is not idle, and the end counts. */
static void
test_background_is_use (World *world, gconstpointer data)
{
  g_auto (Call) begun = { 0 };
  g_autoptr (BerthResult) result = NULL;

  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  start (world, &begun, TRUE);
  run_dry ();
  result = finish (world, &begun, NULL);
  g_assert_cmpuint (result->exec, ==, 1);
  g_assert_cmpuint (berth_sandbox_get_exec_count (world->sandbox), ==, 0);
  fake_host_advance (world->host, 100 * IDLE_US);
  run_dry ();
  g_assert_cmpuint (world->n_idle, ==, 0);
  answer_one (world, FAKE_HOST_BACKGROUND);
  g_assert_cmpuint (berth_sandbox_get_exec_count (world->sandbox), ==, 1);
  fake_host_advance (world->host, IDLE_US - 1);
  g_assert_cmpuint (world->n_idle, ==, 0);
  fake_host_advance (world->host, 1);
  g_assert_cmpuint (world->n_idle, ==, 1);
}

/* Code in the background has the interpreter: other code waits, a command does not. */
static void
test_background_code (World *world, gconstpointer data)
{
  g_auto (Call) begun = { 0 }, code = { 0 }, beside = { 0 };

  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  start (world, &begun, FALSE);
  run_dry ();
  assert_ended (world, &begun);
  exec (world, &code);
  command (world, &beside);
  run_dry ();
  assert_ended (world, &beside);
  g_assert_null (code.result);
  answer_one (world, FAKE_HOST_BACKGROUND);
  assert_ended (world, &code);
}

/* Code that waited and begins while the sandbox leaves has its answer in the VM that it began in.
 */
static void
test_begins_while_it_leaves (World *world, gconstpointer data)
{
  g_auto (Call) begun = { 0 }, code = { 0 };
  g_autoptr (GError) error = NULL;

  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  start (world, &begun, FALSE);
  run_dry ();
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &begun);
  exec (world, &code);
  run_dry ();
  g_assert_true (berth_sandbox_begin_leave (world->sandbox, &error));
  g_assert_no_error (error);
  answer_one (world, FAKE_HOST_BACKGROUND);
  g_assert_cmpuint (fake_host_count_held (world->host, FAKE_HOST_EXEC), ==, 1);
  g_assert_false (berth_sandbox_begin_copy (world->sandbox, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  berth_sandbox_end_leave (world->sandbox, FALSE);
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &code);
}

/* Who waits for its end knows how long that may take. */
static void
test_background_limit (World *world, gconstpointer data)
{
  g_auto (Call) limited = { 0 }, unlimited = { 0 };

  start_limited (world, &limited, 5000);
  run_dry ();
  assert_ended (world, &limited);
  g_assert_cmpuint (fake_answer_get_limit_ms (BERTH_HOST (world->host)), ==, 5000);
  start_limited (world, &unlimited, 0);
  run_dry ();
  assert_ended (world, &unlimited);
  g_assert_cmpuint (fake_answer_get_limit_ms (BERTH_HOST (world->host)), ==, 0);
}

/* Those in the background have places of the 16. */
static void
test_background_places (World *world, gconstpointer data)
{
  Call calls[BERTH_LIMIT_COMMANDS] = { 0 };
  g_auto (Call) refused = { 0 }, later = { 0 };

  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  for (guint i = 0; i < BERTH_LIMIT_COMMANDS; i++)
    start (world, &calls[i], TRUE);
  run_dry ();
  for (guint i = 0; i < BERTH_LIMIT_COMMANDS; i++)
    {
      assert_ended (world, &calls[i]);
      call_clear (&calls[i]);
    }
  command (world, &refused);
  run_dry ();
  assert_failed (world, &refused, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY, "runs 16 commands");
  answer_one (world, FAKE_HOST_BACKGROUND);
  command (world, &later);
  run_dry ();
  assert_ended (world, &later);
}

/* A berthd that was started again knows what goes on in its sessions before it sends them code. */
static void
test_background_adopted (World *world, gconstpointer data)
{
  g_auto (Call) code = { 0 };

  fake_answer_set_execs (
      BERTH_HOST (world->host),
      g_variant_new_parsed ("[{'exec': <uint32 3>, 'state': <'ended'>, 'kind': <'code'>},"
                            " {'exec': <uint32 4>, 'state': <'running'>, 'kind': <'code'>},"
                            " {'exec': <uint32 5>, 'state': <'running'>, 'kind': <'command'>}]"));
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  berth_sandbox_adopt (world->sandbox);
  exec (world, &code);
  run_dry ();
  g_assert_cmpuint (count_begun (world), ==, 0);
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, FALSE);
  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  run_dry ();
  g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_BACKGROUND), ==, 3);
  g_assert_cmpuint (count_begun (world), ==, 0);
  fake_host_advance (world->host, 100 * IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 0);
  answer_one (world, FAKE_HOST_BACKGROUND);
  assert_ended (world, &code);
  fake_host_advance (world->host, IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 1);
}

/* An agent too old to say has nothing there. */
static void
test_background_unknown (World *world, gconstpointer data)
{
  g_auto (Call) code = { 0 };

  fake_host_fail (world->host, FAKE_HOST_BACKGROUND,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_CONFIG, "an older berth"));
  berth_sandbox_adopt (world->sandbox);
  exec (world, &code);
  run_dry ();
  assert_ended (world, &code);
  fake_host_fail (world->host, FAKE_HOST_BACKGROUND, NULL);
}

static void
ask (World *world, Call *call)
{
  berth_sandbox_background_async (world->sandbox,
                                  berth_background_request_new (BERTH_BACKGROUND_ATTACH, 1), NULL,
                                  answered_cb, call);
}

/* Callers leave the places in the agent that berthd needs itself; reading is use of the sandbox. */
static void
test_background_asks (World *world, gconstpointer data)
{
  Call calls[BERTH_LIMIT_ASKS] = { 0 };
  g_auto (Call) refused = { 0 };
  g_autoptr (GError) error = NULL;

  fake_host_hold (world->host, FAKE_HOST_BACKGROUND, TRUE);
  for (guint i = 0; i < BERTH_LIMIT_ASKS; i++)
    ask (world, &calls[i]);
  ask (world, &refused);
  run_dry ();
  g_assert_null (berth_sandbox_background_finish (world->sandbox, refused.result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  fake_host_advance (world->host, 100 * IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 0);
  answer_one (world, FAKE_HOST_BACKGROUND);
  for (guint i = 0; i < BERTH_LIMIT_ASKS; i++)
    {
      g_autoptr (BerthBackgroundResult) result
          = berth_sandbox_background_finish (world->sandbox, calls[i].result, NULL);

      g_assert_cmpstr (result->end->sandbox_id, ==, berth_sandbox_get_id (world->sandbox));
      call_clear (&calls[i]);
    }
  /* places that are free again are given */
  ask (world, &calls[0]);
  g_assert_cmpuint (fake_host_count_held (world->host, FAKE_HOST_BACKGROUND), ==, 1);
  answer_one (world, FAKE_HOST_BACKGROUND);
  call_clear (&calls[0]);
}

/* Whatever goes on, and whatever ends beside it: the sandbox is in use. */
static void
test_idle_beside (World *world, gconstpointer data)
{
  const struct
  {
    void (*begin) (World *world, Call *call);
    FakeHostCall what;
  } uses[] = { { exec, FAKE_HOST_EXEC },
               { command, FAKE_HOST_EXEC },
               { carry, FAKE_HOST_FILE },
               { ask, FAKE_HOST_BACKGROUND } };
  guint n_idle = 0;

  for (guint i = 0; i < G_N_ELEMENTS (uses); i++)
    for (guint j = 0; j < G_N_ELEMENTS (uses); j++)
      {
        g_auto (Call) lasting = { 0 }, ending = { 0 };

        if (uses[i].what == uses[j].what)
          continue;
        fake_host_hold (world->host, uses[i].what, TRUE);
        uses[i].begin (world, &lasting);
        uses[j].begin (world, &ending);
        run_dry ();
        g_assert_nonnull (ending.result);
        fake_host_advance (world->host, 10 * IDLE_US);
        g_assert_cmpuint (world->n_idle, ==, n_idle);
        fake_host_hold (world->host, uses[i].what, FALSE);
        run_dry ();
        fake_host_advance (world->host, IDLE_US);
        g_assert_cmpuint (world->n_idle, ==, ++n_idle);
      }
}

/* One more than may run is refused, code is not; a place that is free again is given. */
static void
test_commands_limit (World *world, gconstpointer data)
{
  Call calls[BERTH_LIMIT_COMMANDS] = { 0 };
  g_auto (Call) refused = { 0 }, code = { 0 }, later = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  for (guint i = 0; i < BERTH_LIMIT_COMMANDS; i++)
    command (world, &calls[i]);
  command (world, &refused);
  exec (world, &code);
  run_dry ();
  assert_failed (world, &refused, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY, "runs 16 commands");
  g_assert_cmpuint (count_begun (world), ==, BERTH_LIMIT_COMMANDS + 1);
  answer_one (world, FAKE_HOST_EXEC);
  for (guint i = 0; i < BERTH_LIMIT_COMMANDS; i++)
    {
      assert_ended (world, &calls[i]);
      call_clear (&calls[i]);
    }
  assert_ended (world, &code);
  command (world, &later);
  answer_one (world, FAKE_HOST_EXEC);
  assert_ended (world, &later);
}

/* A command whose caller has gone before never begins; one that fails gives its place back. */
static void
test_command_cancelled (World *world, gconstpointer data)
{
  g_auto (Call) gone = { .cancellable = g_cancellable_new () };
  g_autofree Call *failed = g_new0 (Call, 2 * BERTH_LIMIT_COMMANDS);

  g_cancellable_cancel (gone.cancellable);
  command (world, &gone);
  run_dry ();
  assert_failed (world, &gone, G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
  g_assert_cmpuint (count_begun (world), ==, 0);
  fake_host_fail (world->host, FAKE_HOST_EXEC,
                  g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
  for (guint i = 0; i < 2 * BERTH_LIMIT_COMMANDS; i++)
    {
      command (world, &failed[i]);
      run_dry ();
      assert_failed (world, &failed[i], G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
      call_clear (&failed[i]);
    }
  fake_host_fail (world->host, FAKE_HOST_EXEC, NULL);
}

/* The sandbox's end is that of code and commands that run, each with the reason. */
static void
test_close_with_commands (World *world, gconstpointer data)
{
  g_auto (Call) code = { 0 }, beside = { 0 }, late = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  exec (world, &code);
  command (world, &beside);
  berth_sandbox_close (world->sandbox, "it was destroyed");
  command (world, &late);
  run_dry ();
  assert_failed (world, &late, BERTH_ERROR, BERTH_ERROR_GONE, "it was destroyed");
  fake_host_fail (world->host, FAKE_HOST_EXEC,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN, "cut"));
  answer_one (world, FAKE_HOST_EXEC);
  fake_host_fail (world->host, FAKE_HOST_EXEC, NULL);
  assert_failed (world, &code, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN, "(it was destroyed)");
  assert_failed (world, &beside, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN, "(it was destroyed)");
}

static void
test_idle_after_command (World *world, gconstpointer data)
{
  g_auto (Call) program = { 0 }, beside = { 0 };

  exec (world, &program);
  run_dry ();
  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  command (world, &beside);
  fake_host_advance (world->host, 10 * IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 0);
  answer_one (world, FAKE_HOST_EXEC);
  fake_host_advance (world->host, IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 1);
}

static void
test_closed_is_not_idle (World *world, gconstpointer data)
{
  g_auto (Call) program = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  exec (world, &program);
  berth_sandbox_close (world->sandbox, "it was destroyed");
  answer_one (world, FAKE_HOST_EXEC);
  fake_host_advance (world->host, 10 * IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 0);
}

static void
test_nobody_minds (World *world, gconstpointer data)
{
  g_autoptr (BerthSandbox) kept = berth_sandbox_new (
      berth_sandbox_get_vm (world->sandbox), BERTH_HOST (world->host), 0, 0, idle_cb, world);

  berth_sandbox_close (world->sandbox, "only the other one counts");
  fake_host_advance (world->host, 1000 * IDLE_US);
  g_assert_cmpuint (world->n_idle, ==, 0);
}

static void
assert_file_failed (World *world, Call *call, BerthError code, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (call->result);
  g_assert_null (berth_sandbox_file_finish (world->sandbox, call->result, &error));
  g_assert_error (error, BERTH_ERROR, (gint)code);
  g_assert_nonnull (strstr (error->message, text));
}

/* Transfers go beside an exec and each other. When the sandbox closes, a lost one says why; another
 * failure is told as it is. */
static void
test_files (World *world, gconstpointer data)
{
  g_auto (Call) program = { 0 }, gone = { 0 }, full = { 0 }, late = { 0 };

  fake_host_hold (world->host, FAKE_HOST_EXEC, TRUE);
  fake_host_hold (world->host, FAKE_HOST_FILE, TRUE);
  exec (world, &program);
  carry (world, &full);
  g_assert_cmpuint (fake_host_count_held (world->host, FAKE_HOST_FILE), ==, 1);
  fake_host_fail (world->host, FAKE_HOST_FILE,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_INVALID, "no room"));
  answer_one (world, FAKE_HOST_FILE);
  assert_file_failed (world, &full, BERTH_ERROR_INVALID, "no room");
  carry (world, &gone);
  berth_sandbox_close (world->sandbox, "it was destroyed");
  carry (world, &late);
  run_dry ();
  assert_file_failed (world, &late, BERTH_ERROR_GONE, "is gone: it was destroyed;");
  fake_host_fail (world->host, FAKE_HOST_FILE,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_GONE, "the VM is gone"));
  answer_one (world, FAKE_HOST_FILE);
  fake_host_fail (world->host, FAKE_HOST_FILE, NULL);
  assert_file_failed (world, &gone, BERTH_ERROR_GONE, "is gone: it was destroyed;");
  answer_one (world, FAKE_HOST_EXEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/sandbox/" name, World, NULL, set_up, func, tear_down)
  ADD ("turns", test_turns);
  ADD ("origin", test_origin);
  ADD ("cancelled-while-waiting", test_cancelled_while_waiting);
  ADD ("close", test_close);
  ADD ("end-known-after-close", test_end_known_after_close);
  ADD ("idle", test_idle);
  ADD ("idle-after-exec", test_idle_after_exec);
  ADD ("commands-beside", test_commands_beside);
  ADD ("commands-limit", test_commands_limit);
  ADD ("background-is-use", test_background_is_use);
  ADD ("background-code", test_background_code);
  ADD ("begins-while-it-leaves", test_begins_while_it_leaves);
  ADD ("background-limit", test_background_limit);
  ADD ("background-places", test_background_places);
  ADD ("background-adopted", test_background_adopted);
  ADD ("background-unknown", test_background_unknown);
  ADD ("background-asks", test_background_asks);
  ADD ("idle-beside", test_idle_beside);
  ADD ("command-cancelled", test_command_cancelled);
  ADD ("close-with-commands", test_close_with_commands);
  ADD ("idle-after-command", test_idle_after_command);
  ADD ("closed-is-not-idle", test_closed_is_not_idle);
  ADD ("nobody-minds", test_nobody_minds);
  ADD ("files", test_files);
#undef ADD
  return g_test_run ();
}

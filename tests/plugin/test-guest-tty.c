/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of a program with a terminal, and a guest that the test plays. */
#include <string.h>

#include "agent-fixture.h"
#include "pool/berth-error.h"

static BerthExec *
new_command (void)
{
  const char *const argv[] = { "ls", NULL };
  g_autoptr (GBytes) bytes = berth_exec_pack_command (argv);
  BerthExec *exec = berth_exec_new (bytes);

  exec->is_command = TRUE;
  return exec;
}

static BerthResult *
finish_exec (Fixture *fixture, GError **error)
{
  BerthResult *result;

  run_until_done (fixture);
  result = berth_guest_exec_finish (fixture->agent, fixture->result, error);
  g_clear_object (&fixture->result);
  return result;
}

static void
assert_size (Fixture *fixture, guint32 request, guint rows, guint columns)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
  BerthFrameHead head = peer_read (fixture, payload);

  g_assert_cmpuint (head.type, ==, BERTH_FRAME_RESIZE);
  g_assert_cmpuint (head.request, ==, request);
  g_assert_cmpuint (berth_le32_read (payload), ==, rows);
  g_assert_cmpuint (berth_le32_read (payload + 4), ==, columns);
}

/* The size is told before the program begins, then each other one; nobody types there, and that is
 * told, too. */
static void
test_terminal (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthTty) tty = berth_tty_new (24, 80);
  BerthExec *exec = new_command ();
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GError) error = NULL;
  BerthExit end = { .status = 0 };
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
  BerthFrameHead head;
  BerthExecHead request;

  greet (fixture, BERTH_HELLO_READY);
  exec->tty = berth_tty_ref (tty);
  berth_guest_exec_async (fixture->agent, exec, BERTH_LANGUAGE_PYTHON, NULL, done_cb, fixture);
  head = peer_read (fixture, payload);
  g_assert_cmpuint (head.type, ==, BERTH_FRAME_EXEC);
  memcpy (&request, payload, sizeof request);
  g_assert_cmpuint (request.flags, ==, BERTH_EXEC_COMMAND | BERTH_EXEC_TERMINAL | BERTH_EXEC_STDIN);
  assert_size (fixture, head.request, 24, 80);
  head = peer_read (fixture, payload);
  g_assert_cmpmem (payload + 4, head.length - 4, "ls", 3);
  head = peer_read (fixture, payload);
  g_assert_cmpuint (head.type, ==, BERTH_FRAME_DATA);
  g_assert_cmpuint (head.length, ==, 4);
  g_assert_cmpuint (berth_le32_read (payload), ==, BERTH_STREAM_STDIN);
  berth_tty_resize (tty, 24, 80); /* the same */
  berth_tty_resize (tty, 50, 132);
  assert_size (fixture, head.request, 50, 132);
  peer_send (fixture, BERTH_FRAME_STARTED, head.request, NULL, 0);
  peer_send (fixture, BERTH_FRAME_DATA, head.request, "\1\0\0\0shown", 9);
  peer_send (fixture, BERTH_FRAME_EXIT, head.request, &end, sizeof end);
  result = finish_exec (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (result->stdout_data, ==, "shown");
  berth_tty_resize (tty, 1, 1); /* nobody is told */
}

static void
test_terminal_needs_its_version (Fixture *fixture, gconstpointer data)
{
  BerthExec *exec = new_command ();
  g_autoptr (GError) error = NULL;

  greet_as (fixture, BERTH_TERMINAL_VERSION - 1, BERTH_HELLO_READY);
  exec->tty = berth_tty_new (24, 80);
  berth_guest_exec_async (fixture->agent, exec, BERTH_LANGUAGE_PYTHON, NULL, done_cb, fixture);
  g_assert_null (finish_exec (fixture, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "build the image again"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/guest/terminal/size", Fixture, NULL, set_up, test_terminal, tear_down);
  g_test_add ("/guest/terminal/needs-its-version", Fixture, NULL, set_up,
              test_terminal_needs_its_version, tear_down);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session in a sandbox: create, exec with live output, destroy.
 *
 *   cc sandbox.c $(pkg-config --cflags --libs berth-1.0) -o sandbox
 */
#include <berth.h>
#include <stdio.h>

#define CODE "for i in 1 2 3; do echo step $i; sleep 0.1; done; exit $STATUS"

typedef struct
{
  BerthResult *result;
  GError *error;
  gboolean exec_done;
  gboolean output_done;
} Session;

static void
exec_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Session *session = user_data;

  session->result = berth_client_exec_finish (BERTH_CLIENT (source), result, &session->error);
  session->exec_done = TRUE;
}

static void
line_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Session *session = user_data;
  GDataInputStream *lines = G_DATA_INPUT_STREAM (source);
  g_autofree char *line = g_data_input_stream_read_line_finish (lines, result, NULL, NULL);

  session->output_done = line == NULL;
  if (line == NULL)
    return;
  printf ("%s\n", line);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, line_cb, session);
}

/* The program runs and its output is read at the same time, so both are asynchronous. */
static gboolean
exec_live (BerthClient *client, const char *sandbox, GError **error)
{
  const char *environment[] = { "STATUS=3", NULL };
  g_autoptr(BerthProgram) program = berth_program_new (CODE);
  g_autoptr(GInputStream) output = berth_program_open_stdout (program, error);
  g_autoptr(GDataInputStream) lines = NULL;
  Session session = { 0 };

  if (output == NULL)
    return FALSE;
  berth_program_set_timeout_ms (program, 60000);
  berth_program_set_environment (program, environment);
  lines = g_data_input_stream_new (output);
  berth_client_exec_async (client, sandbox, program, NULL, exec_cb, &session);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, line_cb, &session);
  while (!session.exec_done || !session.output_done)
    g_main_context_iteration (NULL, TRUE);
  if (session.result == NULL)
    {
      g_propagate_error (error, session.error);
      return FALSE;
    }
  printf ("exit status %d\n", berth_result_get_exit_code (session.result));
  berth_result_free (session.result);
  return TRUE;
}

static gboolean
exec_captured (BerthClient *client, const char *sandbox, GError **error)
{
  g_autoptr(BerthProgram) program = berth_program_new ("echo captured");
  g_autoptr(BerthResult) result = berth_client_exec (client, sandbox, program, NULL, error);

  if (result != NULL)
    printf ("output %s", berth_result_get_stdout (result));
  return result != NULL;
}

static gboolean
work (BerthClient *client, GError **error)
{
  g_autoptr(BerthSpec) spec = berth_spec_new ("shell");
  g_autofree char *sandbox = NULL;
  gboolean ok;

  berth_spec_set_tenant (spec, "example");
  sandbox = berth_client_create (client, spec, NULL, error);
  if (sandbox == NULL)
    return FALSE;
  printf ("created\n");
  /* FILES: put, get and ls of a sandbox come here */
  ok = exec_live (client, sandbox, error) && exec_captured (client, sandbox, error);
  if (!berth_client_destroy (client, sandbox, NULL, ok ? error : NULL))
    return FALSE;
  printf ("destroyed\n");
  return ok;
}

int
main (void)
{
  g_autoptr(BerthClient) client = berth_client_new (NULL);
  g_autoptr(GError) error = NULL;

  if (work (client, &error))
    return 0;
  fprintf (stderr, "%s: %s\n", berth_error_get_code (error), error->message);
  if (berth_error_is_retryable (error))
    fprintf (stderr, "nothing was done: try again later\n");
  return 1;
}

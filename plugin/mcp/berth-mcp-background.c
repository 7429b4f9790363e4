/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start_exec, list_execs and kill_exec: what goes on in a sandbox behind the calls. */
#include "plugin/mcp/berth-mcp-background.h"

#include "plugin/mcp/berth-mcp-option.h"

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  guint exec = berth_client_start_finish (BERTH_CLIENT (source), result, &error);

  if (exec != 0)
    berth_mcp_call_succeed (
        call, berth_mcp_call_make_answer (call, "exec", g_variant_new_uint32 (exec)), NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_background_start (BerthMcpCall *call)
{
  GVariant *arguments = berth_mcp_call_get_arguments (call);
  BerthStartFlags flags = BERTH_START_DEFAULT;
  gboolean is_unlimited = FALSE;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgram) program = berth_mcp_option_make_program (
      BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_BACKGROUND, arguments, &error);

  g_variant_lookup (arguments, "no_timeout", "b", &is_unlimited);
  if (is_unlimited)
    flags |= BERTH_START_NO_TIMEOUT;
  if (program != NULL)
    berth_client_start_async (berth_mcp_call_get_client (call),
                              berth_mcp_call_get_text (call, "sandbox_id"), program, flags,
                              berth_mcp_call_get_cancellable (call), started_cb, call);
  else
    berth_mcp_call_fail (call, error);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) execs
      = berth_client_list_execs_finish (BERTH_CLIENT (source), result, &error);

  if (execs != NULL)
    berth_mcp_call_succeed (call, berth_mcp_call_make_answer (call, "execs", execs), NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_background_list (BerthMcpCall *call)
{
  berth_client_list_execs_async (berth_mcp_call_get_client (call),
                                 berth_mcp_call_get_text (call, "sandbox_id"),
                                 berth_mcp_call_get_cancellable (call), listed_cb, call);
}

static void
killed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_client_signal_exec_finish (BERTH_CLIENT (source), result, &error))
    berth_mcp_call_succeed (
        call,
        berth_mcp_call_make_answer (call, "exec",
                                    g_variant_new_int64 (berth_mcp_call_get_number (call, "exec"))),
        NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_background_kill (BerthMcpCall *call)
{
  berth_client_signal_exec_async (berth_mcp_call_get_client (call),
                                  berth_mcp_call_get_text (call, "sandbox_id"),
                                  (guint)berth_mcp_call_get_number (call, "exec"),
                                  (guint)berth_mcp_call_get_number (call, "signal"),
                                  berth_mcp_call_get_cancellable (call), killed_cb, call);
}

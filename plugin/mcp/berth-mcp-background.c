/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start_exec, list_execs and kill_exec: what goes on in a sandbox behind the calls. */
#include "plugin/mcp/berth-mcp-background.h"

#include "plugin/mcp/berth-mcp-option.h"

/* (transfer floating) */
static GVariant *
make_answer (BerthMcpCall *call, const char *key, GVariant *value)
{
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&told, "{sv}", "sandbox_id",
                         g_variant_new_string (berth_mcp_call_get_text (call, "sandbox_id")));
  g_variant_builder_add (&told, "{sv}", key, value);
  return g_variant_builder_end (&told);
}

static gint64
get_number (BerthMcpCall *call, const char *name)
{
  gint64 number = 0;

  g_variant_lookup (berth_mcp_call_get_arguments (call), name, "x", &number);
  return number;
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  guint exec = berth_client_start_finish (BERTH_CLIENT (source), result, &error);

  if (exec != 0)
    berth_mcp_call_succeed (call, make_answer (call, "exec", g_variant_new_uint32 (exec)), NULL);
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
  g_autoptr (BerthProgram) program
      = berth_mcp_option_make_program (BERTH_OPTION_SET_EXEC, arguments, &error);

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
    berth_mcp_call_succeed (call, make_answer (call, "execs", execs), NULL);
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
        call, make_answer (call, "exec", g_variant_new_int64 (get_number (call, "exec"))), NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_background_kill (BerthMcpCall *call)
{
  berth_client_signal_exec_async (
      berth_mcp_call_get_client (call), berth_mcp_call_get_text (call, "sandbox_id"),
      (guint)get_number (call, "exec"), (guint)get_number (call, "signal"),
      berth_mcp_call_get_cancellable (call), killed_cb, call);
}

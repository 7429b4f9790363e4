/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints: what a sandbox was, kept under a name and gone back to, or kept in its place. */
#include "plugin/mcp/berth-mcp-checkpoint.h"

static const char *
get_name (BerthMcpCall *call)
{
  return berth_mcp_call_get_text (call, "name");
}

static void
kept_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) kept
      = berth_client_checkpoint_finish (BERTH_CLIENT (source), result, &error);

  if (kept != NULL)
    berth_mcp_call_succeed (call, berth_mcp_call_make_answer (call, "checkpoint", kept), NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_checkpoint_keep (BerthMcpCall *call)
{
  berth_client_checkpoint_async (berth_mcp_call_get_client (call),
                                 berth_mcp_call_get_text (call, "sandbox_id"), get_name (call),
                                 berth_mcp_call_get_cancellable (call), kept_cb, call);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) all
      = berth_client_list_checkpoints_finish (BERTH_CLIENT (source), result, &error);

  if (all != NULL)
    berth_mcp_call_succeed (call, berth_mcp_call_make_answer (call, "checkpoints", all), NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_checkpoint_list (BerthMcpCall *call)
{
  berth_client_list_checkpoints_async (berth_mcp_call_get_client (call),
                                       berth_mcp_call_get_text (call, "sandbox_id"),
                                       berth_mcp_call_get_cancellable (call), listed_cb, call);
}

/* It says of which checkpoint. @ok: else @error */
static void
answer (BerthMcpCall *call, gboolean ok, const GError *error)
{
  if (ok)
    berth_mcp_call_succeed (
        call, berth_mcp_call_make_answer (call, "name", g_variant_new_string (get_name (call))),
        NULL);
  else
    berth_mcp_call_fail (call, error);
}

static void
rolled_back_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_client_rollback_finish (BERTH_CLIENT (source), result, &error);

  answer (user_data, ok, error);
}

void
berth_mcp_checkpoint_roll_back (BerthMcpCall *call)
{
  gboolean no_wait = FALSE;

  g_variant_lookup (berth_mcp_call_get_arguments (call), "no_wait", "b", &no_wait);
  berth_client_rollback_async (berth_mcp_call_get_client (call),
                               berth_mcp_call_get_text (call, "sandbox_id"), get_name (call),
                               no_wait ? 0 : -1, berth_mcp_call_get_cancellable (call),
                               rolled_back_cb, call);
}

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_client_remove_checkpoint_finish (BERTH_CLIENT (source), result, &error);

  answer (user_data, ok, error);
}

void
berth_mcp_checkpoint_remove (BerthMcpCall *call)
{
  berth_client_remove_checkpoint_async (
      berth_mcp_call_get_client (call), berth_mcp_call_get_text (call, "sandbox_id"),
      get_name (call), berth_mcp_call_get_cancellable (call), removed_cb, call);
}

static void
hibernated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_client_hibernate_finish (BERTH_CLIENT (source), result, &error))
    berth_mcp_call_succeed (
        call, berth_mcp_call_make_answer (call, "hibernated", g_variant_new_boolean (TRUE)), NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_checkpoint_hibernate (BerthMcpCall *call)
{
  berth_client_hibernate_async (berth_mcp_call_get_client (call),
                                berth_mcp_call_get_text (call, "sandbox_id"),
                                berth_mcp_call_get_cancellable (call), hibernated_cb, call);
}

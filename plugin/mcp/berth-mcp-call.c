/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides how the end of a tool's call is told to a model, and what it is told meanwhile. */
#include "plugin/mcp/berth-mcp-call.h"

#include <string.h>

#include "plugin/base/berth-json.h"
#include "plugin/mcp/berth-mcp-message.h"
#include "pool/berth-error.h"

struct _BerthMcpCall
{
  const BerthMcpContext *context;
  GVariant *arguments;
  GVariant *progress_token; /* nullable */
  gint64 told;              /* notifications so far */
  GCancellable *cancellable;
  gboolean is_withdrawn;
  BerthMcpCallFuncs funcs;
  gpointer user_data;
};

BerthMcpCall *
berth_mcp_call_new (const BerthMcpContext *context, GVariant *arguments, GVariant *progress_token,
                    const BerthMcpCallFuncs *funcs, gpointer user_data)
{
  BerthMcpCall *self = g_new0 (BerthMcpCall, 1);

  self->context = context;
  self->arguments = g_variant_ref_sink (arguments);
  self->progress_token = progress_token != NULL ? g_variant_ref (progress_token) : NULL;
  self->cancellable = g_cancellable_new ();
  self->funcs = *funcs;
  self->user_data = user_data;
  return self;
}

void
berth_mcp_call_free (BerthMcpCall *self)
{
  g_variant_unref (self->arguments);
  g_clear_pointer (&self->progress_token, g_variant_unref);
  g_object_unref (self->cancellable);
  g_free (self);
}

void
berth_mcp_call_withdraw (BerthMcpCall *self)
{
  self->is_withdrawn = TRUE;
  g_cancellable_cancel (self->cancellable);
}

BerthClient *
berth_mcp_call_get_client (BerthMcpCall *self)
{
  return self->context->client;
}

GVariant *
berth_mcp_call_get_arguments (BerthMcpCall *self)
{
  return self->arguments;
}

GCancellable *
berth_mcp_call_get_cancellable (BerthMcpCall *self)
{
  return self->cancellable;
}

const char *
berth_mcp_call_get_text (BerthMcpCall *self, const char *name)
{
  const char *text = NULL;

  g_variant_lookup (self->arguments, name, "&s", &text);
  return text;
}

gint64
berth_mcp_call_get_number (BerthMcpCall *self, const char *name)
{
  gint64 number = 0;

  g_variant_lookup (self->arguments, name, "x", &number);
  return number;
}

GVariant *
berth_mcp_call_make_answer (BerthMcpCall *self, const char *key, GVariant *value)
{
  GVariantBuilder told = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&told, "{sv}", "sandbox_id",
                         g_variant_new_string (berth_mcp_call_get_text (self, "sandbox_id")));
  g_variant_builder_add (&told, "{sv}", key, value);
  return g_variant_builder_end (&told);
}

gboolean
berth_mcp_call_keeps_sandboxes (BerthMcpCall *self)
{
  return self->context->keeps_sandboxes;
}

gboolean
berth_mcp_call_is_listened_to (BerthMcpCall *self)
{
  return self->progress_token != NULL && !self->is_withdrawn;
}

gboolean
berth_mcp_call_can_tell (BerthMcpCall *self)
{
  return berth_mcp_call_is_listened_to (self) && !self->funcs.is_slow (self->user_data);
}

void
berth_mcp_call_tell (BerthMcpCall *self, const char *message)
{
  GVariantBuilder params = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (!berth_mcp_call_is_listened_to (self))
    {
      g_variant_builder_clear (&params);
      return;
    }
  /* nobody knows how much there will be: it only grows */
  self->told++;
  g_variant_builder_add (&params, "{sv}", "progressToken", self->progress_token);
  g_variant_builder_add (&params, "{sv}", "progress", g_variant_new_int64 (self->told));
  g_variant_builder_add (&params, "{sv}", "message", g_variant_new_string (message));
  self->funcs.tell (berth_mcp_message_new_notification ("notifications/progress",
                                                        g_variant_builder_end (&params)),
                    self->user_data);
}

static void
stage_cb (BerthSpec *spec, const char *state, guint position, const char *domain,
          gpointer user_data)
{
  g_autofree char *text = NULL;

  if (position > 0)
    text = g_strdup_printf ("waiting for a place: number %u in the queue", position);
  else if (domain != NULL)
    text = g_strdup_printf ("starting the virtual machine %s", domain);
  else
    text = g_strdup_printf ("%s", state);
  berth_mcp_call_tell (user_data, text);
}

void
berth_mcp_call_watch (BerthMcpCall *self, BerthSpec *spec)
{
  if (berth_mcp_call_is_listened_to (self))
    g_signal_connect (spec, "progress", G_CALLBACK (stage_cb), self);
}

/* ---- the end ---- */

/* Models that see no structured content see the same as text. */
static void
finish (BerthMcpCall *self, GVariant *structured, GPtrArray *contents, gboolean is_error)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (structured);
  g_autofree char *json = berth_json_from_variant (owned);
  GVariantBuilder result = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantBuilder content = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  g_variant_builder_open (&content, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&content, "{sv}", "type", g_variant_new_string ("text"));
  g_variant_builder_add (&content, "{sv}", "text",
                         g_variant_new_take_string (g_steal_pointer (&json)));
  g_variant_builder_close (&content);
  for (guint i = 0; contents != NULL && i < contents->len; i++)
    g_variant_builder_add_value (&content, g_ptr_array_index (contents, i));
  g_variant_builder_add (&result, "{sv}", "content", g_variant_builder_end (&content));
  g_variant_builder_add (&result, "{sv}", "structuredContent", owned);
  g_variant_builder_add (&result, "{sv}", "isError", g_variant_new_boolean (is_error));
  self->funcs.done (self, g_variant_builder_end (&result), self->user_data);
}

void
berth_mcp_call_succeed (BerthMcpCall *self, GVariant *structured, GPtrArray *contents)
{
  if (!self->is_withdrawn)
    {
      finish (self, structured, contents, FALSE);
      return;
    }
  g_variant_unref (g_variant_ref_sink (structured));
  self->funcs.done (self, NULL, self->user_data);
}

/* By BerthAdvice: what a model can do about it */
static const char *
get_remedy (const GError *error)
{
  switch (berth_error_get_advice (error))
    {
    case BERTH_ADVICE_FIX_REQUEST:
      return "Change the arguments as the cause says; the same call fails again.";
    case BERTH_ADVICE_WAIT:
      return "Call again when something that takes a place has ended; a call that makes a sandbox "
             "may also wait longer (wait_timeout).";
    case BERTH_ADVICE_RETRY:
      return "Nothing was done: the same call may be made again.";
    case BERTH_ADVICE_RECONCILE:
      return "The program may have run, whole or in part: find out what it did before it is run "
             "again.";
    case BERTH_ADVICE_CREATE:
      return "Its files and state are lost: make a new sandbox with create_sandbox; list_sandboxes "
             "shows which there are.";
    case BERTH_ADVICE_ASK_ADMINISTRATOR:
      return "Only the administrator of this host can change that: tell the user.";
    case BERTH_ADVICE_REPORT_BUG:
      return "This is a fault of berth: tell the user, who may report it.";
    default:
      return "The call was withdrawn.";
    }
}

GVariant *
berth_mcp_call_error_to_variant (const GError *error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  /* a message may name a file, whose name is bytes */
  g_autofree char *cause = g_utf8_make_valid (error->message, -1);

  g_variant_builder_add (&builder, "{sv}", "code",
                         g_variant_new_string (berth_error_get_code (error)));
  g_variant_builder_add (&builder, "{sv}", "cause", g_variant_new_string (cause));
  g_variant_builder_add (&builder, "{sv}", "remedy", g_variant_new_string (get_remedy (error)));
  g_variant_builder_add (&builder, "{sv}", "retryable",
                         g_variant_new_boolean (berth_error_is_retryable (error)));
  return g_variant_builder_end (&builder);
}

void
berth_mcp_call_fail (BerthMcpCall *self, const GError *error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&builder, "{sv}", "error", berth_mcp_call_error_to_variant (error));
  if (!self->is_withdrawn)
    {
      finish (self, g_variant_builder_end (&builder), NULL, TRUE);
      return;
    }
  g_variant_builder_clear (&builder);
  self->funcs.done (self, NULL, self->user_data);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the dictionary of a D-Bus call by the table of options; anything else in it is the caller's
 * mistake and is named. */
#include "plugin/daemon/berth-options.h"

#include "pool/berth-error.h"

static gboolean
parse_entry (BerthOptions *self, BerthOptionSet set, const char *key, GVariant *value,
             const BerthCallerFds *fds, GError **error)
{
  const BerthOption *option = berth_option_find (set, key);

  if (option != NULL)
    return berth_option_take (option, value, fds, &self->sandbox, self->exec, error);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "option \"%.40s\" is unknown to this method", key);
  return FALSE;
}

/* The code makes the exec, so that there is one for the other options to fill. */
static gboolean
parse_code (BerthOptions *self, GError **error)
{
  g_autoptr (GVariant) code
      = g_variant_lookup_value (self->message, "code", G_VARIANT_TYPE_BYTESTRING);
  g_autoptr (GBytes) bytes = NULL;

  if (code == NULL)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "option \"code\": missing, or not of type 'ay'");
      return FALSE;
    }
  bytes = g_variant_get_data_as_bytes (code);
  self->exec = berth_exec_new (bytes);
  return TRUE;
}

/**
 * berth_options_parse:
 * @set: what the method takes
 * @message: a{sv}, as it came
 * @fds: (nullable): as they came
 * @uid: the caller's
 * @default_wait_us: where the caller does not say how long it would wait
 *
 * Returns: (transfer full) (nullable): checked options; %NULL with %BERTH_ERROR_INVALID
 */
BerthOptions *
berth_options_parse (BerthOptionSet set, GVariant *message, const BerthCallerFds *fds, guint32 uid,
                     gint64 default_wait_us, GError **error)
{
  g_autoptr (BerthOptions) self = g_new0 (BerthOptions, 1);
  GVariantIter iter;
  const char *key;
  GVariant *child;

  self->message = g_variant_ref (message);
  self->sandbox.uid = uid;
  self->sandbox.wait_us = default_wait_us;
  if ((set & BERTH_OPTION_SET_EXEC) != 0 && !parse_code (self, error))
    return NULL;
  g_variant_iter_init (&iter, message);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &child))
    {
      g_autoptr (GVariant) value = child;

      if (!parse_entry (self, set, key, value, fds, error))
        return NULL;
    }
  if (self->exec != NULL && !berth_exec_check (self->exec, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * berth_options_free:
 * @self: (transfer full) (nullable): options
 */
void
berth_options_free (BerthOptions *self)
{
  if (self == NULL)
    return;
  berth_exec_free (self->exec);
  g_clear_object (&self->sandbox.boot_log);
  g_clear_pointer (&self->sandbox.ports, g_array_unref);
  g_strfreev (self->sandbox.allow);
  g_variant_unref (self->message);
  g_free (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What templates there are to the scripted manager, and its administrator's half: one template,
 * python, whose warm target is shown as its snapshot_mb so that a test sees what arrived. */
#include "plugin/manager/berth-manager-admin.h"

#include <string.h>

#include "fake-manager-private.h"
#include "pool/berth-error.h"

gboolean
fake_manager_check_template (const char *name, GError **error)
{
  static const char *const nicks[]
      = { "invalid",       "no-capacity", "wait-timed-out",  "queue-full",
          "shutting-down", "unavailable", "start-timed-out", "outcome-unknown",
          "gone",          "denied",      "config",          "internal" };

  if (!g_str_has_prefix (name, "fail-"))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (nicks); i++)
    if (strcmp (name + strlen ("fail-"), nicks[i]) == 0)
      g_set_error (error, BERTH_ERROR, (int)i, "template %s: the fake says so: \x1b[31mfix it",
                   name);
  if (strcmp (name, "fail-cancelled") == 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "template %s: cancelled", name);
  return FALSE;
}

void
fake_manager_boot (const BerthSandboxOptions *options)
{
  if (options->boot_log == NULL || g_strcmp0 (options->template_name, "slow") != 0)
    return;
  g_output_stream_write_all (options->boot_log, "it boots\n", strlen ("it boots\n"), NULL, NULL,
                             NULL);
}

static guint *
target_of (BerthManager *self)
{
  guint *target = g_object_get_data (G_OBJECT (self), "target");

  if (target == NULL)
    {
      target = g_new0 (guint, 1);
      g_object_set_data_full (G_OBJECT (self), "target", target, g_free);
    }
  return target;
}

/* Notes @verb in berthd's log, where one is given. */
static gboolean
check (const char *verb, const char *name, gboolean may_be_all, GError **error)
{
  if (verb != NULL)
    g_message ("fake: %s '%s'", verb, name);
  if (g_strcmp0 (name, "python") == 0 || (may_be_all && name[0] == '\0'))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "there is no template %s; there are python",
               name);
  return FALSE;
}

gboolean
berth_manager_set_warm (BerthManager *self, const char *template_name, guint min, guint max,
                        GError **error)
{
  if (!check (NULL, template_name, FALSE, error))
    return FALSE;
  *target_of (self) = min * 100 + max;
  return TRUE;
}

gboolean
berth_manager_drain_pool (BerthManager *self, const char *template_name, GError **error)
{
  *target_of (self) = 0;
  return check ("drain", template_name, TRUE, error);
}

gboolean
berth_manager_fill_pool (BerthManager *self, const char *template_name, GError **error)
{
  return check ("fill", template_name, TRUE, error);
}

GVariant *
berth_manager_dup_templates (BerthManager *self)
{
  return g_variant_ref_sink (g_variant_new_parsed (
      "[{'name': <'python'>, 'path': <'/t/python.xml'>, 'language': <'python'>, "
      "'memory_mb': <uint32 192>, 'vcpus': <uint32 1>, 'layers': <'base,python'>, "
      "'snapshot': <'valid'>, 'snapshot_mb': <%u>}, {'error': <'/t/bad.xml:3: no name'>}]",
      *target_of (self)));
}

char *
berth_manager_dup_template_xml (BerthManager *self, const char *template_name, GError **error)
{
  return check (NULL, template_name, FALSE, error) ? g_strdup ("<domain/>\n") : NULL;
}

gboolean
berth_manager_check_template (BerthManager *self, const char *path, GError **error)
{
  if (g_str_has_suffix (path, "good.xml"))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s:1: it is none", path);
  return FALSE;
}

void
berth_manager_snapshot_async (BerthManager *self, const char *template_name,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GError) error = NULL;

  if (check ("snapshot", template_name, FALSE, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

gboolean
berth_manager_snapshot_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
berth_manager_remove_snapshot (BerthManager *self, const char *template_name, GError **error)
{
  return check ("remove snapshot", template_name, TRUE, error);
}

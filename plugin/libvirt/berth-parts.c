/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "berth-parts.h"

typedef struct
{
  guint pending;
  GError *error; /* (nullable): the first */
} Parts;

static void
parts_free (gpointer data)
{
  Parts *parts = data;

  g_clear_error (&parts->error);
  g_free (parts);
}

void
berth_parts_init (GTask *whole)
{
  g_task_set_task_data (whole, g_new0 (Parts, 1), parts_free);
}

static void
part_done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) whole = user_data;
  Parts *parts = g_task_get_task_data (whole);
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error) && parts->error == NULL)
    parts->error = g_steal_pointer (&error);
  if (--parts->pending > 0)
    return;
  if (parts->error != NULL)
    g_task_return_error (whole, g_steal_pointer (&parts->error));
  else
    g_task_return_boolean (whole, TRUE);
}

GTask *
berth_parts_add (GTask *whole)
{
  Parts *parts = g_task_get_task_data (whole);

  parts->pending++;
  return g_task_new (g_task_get_source_object (whole), g_task_get_cancellable (whole), part_done_cb,
                     g_object_ref (whole));
}

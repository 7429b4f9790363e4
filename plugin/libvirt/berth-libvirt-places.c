/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which places stay defined: those that are of no use any more are undefined. */
#include "berth-libvirt-private.h"

#include <string.h>

#include "berth-libvirt-error.h"

/* (transfer full) (array zero-terminated=1): what the names begin with, before their number */
static char **
libvirt_make_stems (BerthLibvirt *self)
{
  g_autoptr (GStrvBuilder) stems = g_strv_builder_new ();
  GHashTableIter iter;
  const char *template_name;

  if (self->templates == NULL) /* it was never opened */
    return g_strv_builder_end (stems);
  g_hash_table_iter_init (&iter, self->templates);
  while (g_hash_table_iter_next (&iter, (gpointer *)&template_name, NULL))
    {
      g_autofree char *stem = g_strdup_printf ("%s-%s", self->name_prefix, template_name);

      g_strv_builder_add (stems, stem);
    }
  return g_strv_builder_end (stems);
}

/* No VM has the name of another prefix, or of a template that is gone, any more. */
static gboolean
is_of_stems (const char *const *stems, const char *name)
{
  const char *dash = strrchr (name, '-');
  g_autofree char *stem = dash != NULL ? g_strndup (name, (gsize)(dash - name)) : NULL;

  return stem != NULL && g_strv_contains (stems, stem);
}

static void
remove_unkept (BerthLibvirt *self, virConnectPtr connection, const char *const *stems,
               const GPtrArray *own)
{
  for (guint i = 0; i < own->len; i++)
    {
      const BerthOwnDomain *domain = g_ptr_array_index (own, i);
      g_autoptr (GError) error = NULL;

      if (domain->is_active
          || (berth_places_keeps (self->places, domain->name, domain->uuid)
              && is_of_stems (stems, domain->name)))
        continue;
      if (!berth_domain_remove_place (connection, self->instance, domain->uuid, &error))
        g_warning ("%s stays defined: %s", domain->name, error->message);
    }
}

static void
trim_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthLibvirt *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_DESTROY, &error);
  g_autoptr (GPtrArray) own
      = connection != NULL ? berth_domain_list_own (connection, self->instance, &error) : NULL;

  if (own != NULL)
    remove_unkept (self, connection, task_data, own);
  else
    g_debug ("places can't be looked at: %s", error->message); /* the next start does */
  g_task_return_boolean (task, TRUE);
}

void
berth_libvirt_trim_places (BerthLibvirt *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);

  g_task_set_task_data (task, libvirt_make_stems (self), (GDestroyNotify)g_strfreev);
  berth_connection_run (self->connection, BERTH_CONNECTION_DESTROY, task, trim_job);
}

/* Those of VMs that are there go with them. A place whose last VM has a call under way is passed
 * over, so as many again may be in use: what is not kept is written for each life. */
void
berth_libvirt_set_places (BerthHost *host, guint max)
{
  BerthLibvirt *self = BERTH_LIBVIRT (host);

  berth_places_set_max (self->places, 2 * MIN (max, G_MAXUINT / 2));
  berth_libvirt_trim_places (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which places stay defined: those that are of no use any more are undefined. */
#include "berth-libvirt-private.h"

#include <string.h>

#include "berth-libvirt-error.h"

static void
remove_unkept (BerthLibvirt *self, virConnectPtr connection, const GPtrArray *own)
{
  for (guint i = 0; i < own->len; i++)
    {
      const BerthOwnDomain *domain = g_ptr_array_index (own, i);
      g_autoptr (GError) error = NULL;

      if (domain->is_active || berth_places_keeps (self->places, domain->name, domain->uuid))
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
    remove_unkept (self, connection, own);
  else
    g_debug ("places can't be looked at: %s", error->message); /* the next start does */
  g_task_return_boolean (task, TRUE);
}

void
berth_libvirt_trim_places (BerthLibvirt *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);

  berth_connection_run (self->connection, BERTH_CONNECTION_DESTROY, task, trim_job);
}

/* (transfer full) (array zero-terminated=1): what names of VMs begin with, before their number */
static char **
libvirt_make_stems (BerthLibvirt *self, const char *const *template_names)
{
  g_autoptr (GStrvBuilder) stems = g_strv_builder_new ();

  for (; *template_names != NULL; template_names++)
    {
      g_autofree char *stem = g_strdup_printf ("%s-%s", self->name_prefix, *template_names);

      g_strv_builder_add (stems, stem);
    }
  return g_strv_builder_end (stems);
}

/* Those of VMs that are there go with them. A place whose last VM has a call under way is passed
 * over, so as many again may be in use: what is not kept is written for each life. */
void
berth_libvirt_set_places (BerthHost *host, guint max, const char *const *template_names)
{
  BerthLibvirt *self = BERTH_LIBVIRT (host);

  berth_places_set_kept (self->places, 2 * MIN (max, G_MAXUINT / 2),
                         libvirt_make_stems (self, template_names));
  berth_libvirt_trim_places (self);
}

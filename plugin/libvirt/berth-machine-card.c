/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plugs a template's network card into a machine that is somebody's now. */
#include "berth-machine-private.h"

#include <string.h>

#include "berth-domain.h"
#include "berth-libvirt-error.h"

typedef struct
{
  guint8 mac[6];
  char *xml;
} Card;

static void
card_free (gpointer data)
{
  Card *self = data;

  g_free (self->xml);
  g_free (self);
}

void
berth_machine_set_card_template (BerthMachine *self, BerthTemplate *template)
{
  g_clear_pointer (&self->card_template, berth_template_unref);
  self->card_template = template != NULL ? berth_template_ref (template) : NULL;
}

gboolean
berth_machine_has_card (BerthMachine *self)
{
  return self->card_template != NULL && berth_template_has_card (self->card_template)
         && !berth_machine_is_builder (self);
}

static void
plugged_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (berth_guest_plug_finish (BERTH_GUEST (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    berth_machine_return_start_error (task, "the guest has no network", error);
}

/* Of the place, not of the VM: the next one in it has the address of the one before, by which a
 * network whose addresses are few has enough for any number of VMs. Two VMs at a time have two
 * names; two hosts on one network tell themselves apart. */
static void
machine_make_mac (BerthMachine *self, guint8 *out_mac)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *host = NULL;
  guint8 digest[32];
  gsize size = sizeof digest;

  if (g_file_get_contents ("/etc/machine-id", &host, NULL, NULL))
    g_checksum_update (checksum, (const guchar *)host, -1);
  g_checksum_update (checksum, (const guchar *)self->instance, (gssize)strlen (self->instance) + 1);
  g_checksum_update (checksum, (const guchar *)self->name, -1);
  g_checksum_get_digest (checksum, digest, &size);
  out_mac[0] = 0x52; /* nobody's, as those that libvirt makes */
  memcpy (out_mac + 1, digest, 5);
}

static void
attach_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  Card *card = task_data;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);

  machine_make_mac (self, card->mac);
  card->xml = berth_template_dup_card (self->card_template, card->mac);
  if (connection != NULL && berth_domain_attach (connection, self->uuid, card->xml, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
attached_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = BERTH_MACHINE (source);
  const Card *card = g_task_get_task_data (G_TASK (result));
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error) && self->agent != NULL)
    berth_guest_plug_async (self->agent, card->mac, cancellable, plugged_cb,
                            g_steal_pointer (&task));
  else if (error == NULL)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "%s has ended", self->name);
  else
    berth_machine_return_start_error (task, "its network card can't be plugged in", error);
}

void
berth_machine_plug (BerthMachine *self, GTask *task)
{
  g_autoptr (GTask) job = g_task_new (self, g_task_get_cancellable (task), attached_cb, task);

  g_task_set_task_data (job, g_new0 (Card, 1), card_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, job, attach_job);
}

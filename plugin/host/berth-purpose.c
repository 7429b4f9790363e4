/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what goes into a request beside what admission has to know. */
#include "plugin/host/berth-purpose.h"

static void
purpose_free (gpointer data)
{
  BerthPurpose *self = data;

  g_free ((gpointer)self->snapshot_name);
  g_strfreev ((char **)self->allow);
  g_free ((gpointer)self->domain_uuid);
  g_free ((gpointer)self->domain_name);
  g_clear_object (&self->boot_log);
  g_clear_object (&self->fork);
  g_free ((gpointer)self->parent);
  g_free ((gpointer)self->checkpoint);
  g_free ((gpointer)self->sandbox);
  g_free (self);
}

/* What began as a copy is known as one also when nothing of that is left. */
static void
purpose_copy_origin (BerthPurpose *copy, const BerthPurpose *self)
{
  const char *parent = self->parent;
  const char *checkpoint = self->checkpoint;

  if (copy->fork != NULL)
    g_object_ref (copy->fork);
  if (copy->fork != NULL && parent == NULL)
    parent = berth_fork_get_source_id (copy->fork);
  if (copy->fork != NULL && checkpoint == NULL)
    checkpoint = berth_fork_get_name (copy->fork);
  copy->parent = g_strdup (parent);
  copy->checkpoint = g_strdup (checkpoint);
}

BerthRequest *
berth_purpose_make_request (const BerthPurpose *self, const BerthShape *shape, const char *tenant,
                            const char *task, guint32 uid, gint64 wait_us, GError **error)
{
  BerthPurpose *copy = g_memdup2 (self, sizeof *self);
  BerthShape wanted = *shape;
  BerthRequest *request;

  copy->snapshot_name = g_strdup (self->snapshot_name);
  copy->domain_uuid = g_strdup (self->domain_uuid);
  copy->domain_name = g_strdup (self->domain_name);
  copy->allow = (const char *const *)g_strdupv ((char **)self->allow);
  purpose_copy_origin (copy, self);
  if (copy->boot_log != NULL)
    g_object_ref (copy->boot_log);
  copy->sandbox = g_strdup (self->sandbox);
  /* one that stood by has an id */
  wanted.may_stand_by = self->snapshot_name == NULL && !self->is_cold && self->fork == NULL
                        && self->sandbox == NULL && self->domain_uuid == NULL;
  request = berth_request_new (&wanted, tenant, task, uid, wait_us, copy, purpose_free, error);
  if (request != NULL && self->sandbox != NULL)
    berth_request_set_vm_id (request, self->sandbox);
  return request;
}

BerthRequest *
berth_purpose_make_counted (const char *domain_uuid, const char *domain_name,
                            const BerthShape *shape, gint64 wait_us, GError **error)
{
  const BerthPurpose purpose = { .domain_uuid = domain_uuid, .domain_name = domain_name };
  const char *task = berth_request_name_is_valid (domain_name) ? domain_name : NULL;

  return berth_purpose_make_request (&purpose, shape, "domains", task, 0, wait_us, error);
}

const BerthPurpose *
berth_purpose_of (const BerthRequest *request)
{
  static const BerthPurpose run = { 0 };

  return request != NULL && request->payload != NULL ? request->payload : &run;
}

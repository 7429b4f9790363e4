/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which requests are well-formed, before anything is asked of admission. */
#include "berth-request.h"

#include <string.h>

#include "berth-error.h"
#include "berth-sync.h"

/**
 * berth_request_name_is_valid:
 * @name: any text
 *
 * Returns: whether it may name a tenant, a task, a template or a sandbox (contract.md, Input)
 */
gboolean
berth_request_name_is_valid (const char *name)
{
  static const char allowed[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-";
  gsize length = strspn (name, allowed);

  return name[length] == '\0' && length >= 1 && length <= BERTH_REQUEST_NAME_MAX;
}

/**
 * berth_request_uid_of_tenant_key:
 * @tenant_key: of a request
 *
 * Returns: its user
 */
guint32
berth_request_uid_of_tenant_key (const char *tenant_key)
{
  return (guint32)g_ascii_strtoull (tenant_key, NULL, 10);
}

static gboolean
check_name (const char *what, const char *name, GError **error)
{
  if (name != NULL && !berth_request_name_is_valid (name))
    {
      /* hostile text must not reach a terminal or a log unescaped, nor at full length */
      g_autofree char *start = g_strndup (name, 40);
      g_autofree char *escaped = g_strescape (start, NULL);

      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "%s '%s%s' is not allowed; use 1 to %u of the characters A-Z a-z 0-9 _ -", what,
                   escaped, strlen (name) > 40 ? "..." : "", BERTH_REQUEST_NAME_MAX);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_request (const BerthShape *shape, const char *tenant, const char *task, gint64 wait_us,
               GError **error)
{
  const char *template_name = shape->template_name;

  if (!check_name ("template", template_name != NULL ? template_name : "", error)
      || !check_name ("tenant", tenant, error) || !check_name ("task", task, error))
    return FALSE;
  if (shape->memory_mb == 0 || shape->vcpus == 0 || wait_us < BERTH_REQUEST_WAIT_FOREVER)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "a request for %u MiB, %u vCPUs and a wait of %" G_GINT64_FORMAT
                   " us can't be served; memory and vCPUs start at 1, the wait at 0",
                   shape->memory_mb, shape->vcpus, wait_us);
      return FALSE;
    }
  return TRUE;
}

static BerthRequest *
request_make (const BerthShape *shape, const char *tenant, const char *task, guint32 uid,
              gint64 wait_us, gpointer payload, GDestroyNotify payload_free)
{
  const BerthRequest request = {
    .payload_free = payload_free,
    .shape = berth_shape_copy (shape),
    .tenant = g_strdup (tenant),
    .task = g_strdup (task),
    .uid = uid,
    .tenant_key = g_strdup_printf ("%u:%s", uid, tenant != NULL ? tenant : ""),
    .wait_us = wait_us,
    .payload = payload,
  };
  BerthRequest *self = g_memdup2 (&request, sizeof request);

  g_atomic_ref_count_init (&self->ref_count);
  return self;
}

/**
 * berth_request_new:
 * @shape: of the VM that is asked for; memory and vCPUs above 0
 * @tenant: (nullable): who asks, within the namespace of @uid
 * @task: (nullable): for what
 * @uid: the Unix user who asks
 * @wait_us: microseconds to wait for admission, %BERTH_REQUEST_WAIT_FOREVER or
 *   %BERTH_REQUEST_NO_WAIT
 * @payload: (nullable) (transfer full): for whoever makes its VM; taken over by a failure, too
 * @payload_free: (nullable): frees @payload, on any thread
 * @error: return location
 *
 * Fails with %BERTH_ERROR_INVALID where a name, a size or the wait breaks its rule.
 *
 * Returns: (transfer full): a new request
 */
BerthRequest *
berth_request_new (const BerthShape *shape, const char *tenant, const char *task, guint32 uid,
                   gint64 wait_us, gpointer payload, GDestroyNotify payload_free, GError **error)
{
  if (check_request (shape, tenant, task, wait_us, error))
    return request_make (shape, tenant, task, uid, wait_us, payload, payload_free);
  if (payload_free != NULL)
    payload_free (payload);
  return NULL;
}

/**
 * berth_request_set_vm_id:
 * @self: a #BerthRequest that nobody else has yet
 * @vm_id: of a VM that the one for it takes the place of
 *
 * Its VM has the id of another, which is gone or goes when this one is there.
 */
void
berth_request_set_vm_id (BerthRequest *self, const char *vm_id)
{
  char **field = (char **)&self->vm_id;

  g_free (*field);
  *field = g_strdup (vm_id);
}

/**
 * berth_request_new_wake:
 * @owner: of the VM that is to be woken
 * @wait_us: microseconds to wait for admission, or %BERTH_REQUEST_WAIT_FOREVER
 *
 * Returns: (transfer full): a request for the vCPUs alone, for berth_pool_wake_async()
 */
BerthRequest *
berth_request_new_wake (const BerthRequest *owner, gint64 wait_us)
{
  const BerthShape shape
      = { .template_name = owner->shape.template_name, .vcpus = owner->shape.vcpus };

  return request_make (&shape, owner->tenant, owner->task, owner->uid, wait_us, NULL, NULL);
}

/**
 * berth_request_is_wake:
 * @self: a #BerthRequest
 *
 * Returns: whether it was made by berth_request_new_wake()
 */
gboolean
berth_request_is_wake (const BerthRequest *self)
{
  return self->shape.memory_mb == 0;
}

/**
 * berth_request_ref:
 * @self: a #BerthRequest
 *
 * Any thread.
 *
 * Returns: (transfer full): @self
 */
BerthRequest *
berth_request_ref (BerthRequest *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * berth_request_unref:
 * @self: (transfer full): a #BerthRequest
 *
 * Any thread.
 */
void
berth_request_unref (BerthRequest *self)
{
  BerthShape shape;

  g_return_if_fail (self != NULL);

  BERTH_SYNC_RELEASE (self);
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  BERTH_SYNC_ACQUIRE (self);
  shape = self->shape;
  if (self->payload_free != NULL)
    self->payload_free ((gpointer)self->payload);
  berth_shape_clear (&shape);
  g_free (self->tenant_key);
  g_free (self->tenant);
  g_free (self->task);
  g_free (self->vm_id);
  g_free (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which requests are well-formed, before anything is asked of admission. */
#include "berth-request.h"

#include <string.h>

#include "berth-error.h"
#include "berth-sync.h"

/* the macro converts to a union in a way that is GNU C, not ISO C */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
G_DEFINE_BOXED_TYPE (BerthRequest, berth_request, berth_request_ref, berth_request_unref)
#pragma GCC diagnostic pop

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

/**
 * berth_request_new:
 * @template_name: of the template
 * @memory_mb: the guest's memory in MiB, above 0
 * @vcpus: above 0
 * @tenant: (nullable): who asks, within the namespace of @uid
 * @task: (nullable): for what
 * @uid: the Unix user who asks
 * @wait_us: microseconds to wait for admission, %BERTH_REQUEST_WAIT_FOREVER or
 *   %BERTH_REQUEST_NO_WAIT
 * @error: return location
 *
 * Fails with %BERTH_ERROR_INVALID where a name, a size or the wait breaks its rule.
 *
 * Returns: (transfer full): a new request
 */
BerthRequest *
berth_request_new (const char *template_name, guint memory_mb, guint vcpus, const char *tenant,
                   const char *task, guint32 uid, gint64 wait_us, GError **error)
{
  BerthRequest *self = NULL;

  if (!check_name ("template", template_name != NULL ? template_name : "", error)
      || !check_name ("tenant", tenant, error) || !check_name ("task", task, error))
    return NULL;
  if (memory_mb == 0 || vcpus == 0 || wait_us < BERTH_REQUEST_WAIT_FOREVER)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "a request for %u MiB, %u vCPUs and a wait of %" G_GINT64_FORMAT
                   " us can't be served; memory and vCPUs start at 1, the wait at 0",
                   memory_mb, vcpus, wait_us);
      return NULL;
    }

  self = g_new0 (BerthRequest, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->template_name = g_strdup (template_name);
  self->memory_mb = memory_mb;
  self->vcpus = vcpus;
  self->tenant = g_strdup (tenant);
  self->task = g_strdup (task);
  self->tenant_key = g_strdup_printf ("%u:%s", uid, tenant != NULL ? tenant : "");
  self->uid = uid;
  self->wait_us = wait_us;
  return self;
}

/**
 * berth_request_takes_warm:
 * @self: a #BerthRequest
 *
 * Any thread.
 *
 * Returns: whether a warm VM of its template can serve it
 */
gboolean
berth_request_takes_warm (const BerthRequest *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->snapshot_name == NULL && !self->is_cold;
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
  g_return_if_fail (self != NULL);

  BERTH_SYNC_RELEASE (self);
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  BERTH_SYNC_ACQUIRE (self);
  g_free (self->template_name);
  g_free (self->tenant_key);
  g_free (self->snapshot_name);
  g_free (self->tenant);
  g_free (self->task);
  g_clear_object (&self->boot_log);
  g_free (self);
}

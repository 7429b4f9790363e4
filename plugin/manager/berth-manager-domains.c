/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains that an administrator starts and that carry a template's mark: they pass the same
 * admission as everybody's requests, and are counted for as long as they are there. */
#include "plugin/manager/berth-manager-admin.h"

#include "plugin/base/berth-event.h"
#include "plugin/manager/berth-manager-private.h"
#include "plugin/template/berth-counted.h"
#include "pool/berth-error.h"

static void
admitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const BerthCounted *domain = g_task_get_task_data (task);
  const BerthEventSubject subject = { .template_name = domain->template_name,
                                      .domain = domain->name,
                                      .domain_uuid = domain->uuid };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthVm) vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &error);

  if (vm == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  berth_event_log (G_LOG_LEVEL_MESSAGE, BERTH_EVENT_DOMAIN_COUNTED, &subject,
                   "domain %s, which an administrator starts, is counted: %u MiB, %u vCPUs",
                   domain->name, domain->memory_mb, domain->vcpus);
  g_task_return_boolean (task, TRUE);
}

void
berth_manager_admit_domain_async (BerthManager *self, const char *xml, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  BerthCounted *domain = berth_counted_parse (xml, &error);
  g_autoptr (BerthRequest) request = NULL;

  g_task_set_source_tag (task, berth_manager_admit_domain_async);
  if (domain != NULL)
    {
      g_task_set_task_data (task, domain, (GDestroyNotify)berth_counted_free);
      request = berth_purpose_make_counted (
          domain->uuid, domain->name,
          BERTH_SHAPE (domain->template_name, domain->memory_mb, domain->vcpus),
          self->config->domain_wait_s * G_USEC_PER_SEC, &error);
    }
  if (error != NULL)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_INVALID,
                             "the domain can't be counted: %s", error->message);
  else if (domain == NULL)
    g_task_return_boolean (task, TRUE); /* it does not ask for it */
  else
    berth_pool_acquire_async (self->pool, request, cancellable, admitted_cb,
                              g_steal_pointer (&task));
}

gboolean
berth_manager_admit_domain_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/host/fake-answer.h"

#include <string.h>
#include <unistd.h>

#include "pool/berth-error.h"

#define EXECS_KEY "fake-execs"
#define LIMIT_KEY "fake-limit"

void
fake_answer_exec (const BerthExec *exec, GTask *task)
{
  BerthResult *result;

  if (g_task_return_error_if_cancelled (task))
    return;
  result = berth_result_new ();
  result->exec = exec->is_detached ? 1 : 0;
  g_task_return_pointer (task, result, (GDestroyNotify)berth_result_free);
}

void
fake_answer_copy (BerthVm *vm, int fd, guint64 max_bytes, GTask *task)
{
  const char *parts[] = { "QEMU 7.2.0", NULL };
  const char *id = berth_vm_get_id (vm);
  BerthHostCopy *copy;

  if (strlen (id) > max_bytes)
    {
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY, "it is too large");
      return;
    }
  g_assert_cmpint (write (fd, id, strlen (id)), ==, strlen (id));
  copy = g_new0 (BerthHostCopy, 1);
  copy->pages = 1;
  copy->base = g_new0 (BerthForkBase, 1);
  copy->base->snapshot = g_strdup (berth_vm_get_template (vm));
  copy->base->key = g_strnfill (64, 'a');
  copy->base->sum = g_strnfill (64, 'b');
  copy->base->parts = g_strdupv ((char **)parts);
  g_task_return_pointer (task, copy, (GDestroyNotify)berth_host_copy_free);
}

void
fake_answer_file (GTask *task)
{
  if (!g_task_return_error_if_cancelled (task))
    g_task_return_pointer (task, g_new0 (BerthFileResult, 1),
                           (GDestroyNotify)berth_file_result_free);
}

void
fake_answer_set_execs (BerthHost *host, GVariant *execs)
{
  g_object_set_data_full (G_OBJECT (host), EXECS_KEY, g_variant_ref_sink (execs),
                          (GDestroyNotify)g_variant_unref);
}

guint
fake_answer_get_limit_ms (BerthHost *host)
{
  return GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (host), LIMIT_KEY));
}

void
fake_answer_background (BerthHost *host, const BerthBackgroundRequest *request, GTask *task)
{
  GVariant *execs = g_object_get_data (G_OBJECT (host), EXECS_KEY);
  BerthBackgroundResult *result;

  if (g_task_return_error_if_cancelled (task))
    return;
  result = g_new0 (BerthBackgroundResult, 1);
  if (request->kind == BERTH_BACKGROUND_ATTACH)
    {
      g_object_set_data (G_OBJECT (host), LIMIT_KEY, GUINT_TO_POINTER (request->limit_ms));
      result->end = berth_result_new ();
    }
  else if (request->kind == BERTH_BACKGROUND_LIST && execs != NULL)
    result->execs = g_variant_ref (execs);
  else if (request->kind == BERTH_BACKGROUND_LIST)
    result->execs = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE_VARDICT, NULL, 0));
  g_task_return_pointer (task, result, (GDestroyNotify)berth_background_result_free);
}

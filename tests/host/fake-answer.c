/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/host/fake-answer.h"

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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A few threads of our own for calls that block: GIO's shared pool would starve behind a libvirt
 * call that hangs. */
#include "berth-workers.h"

#include "pool/berth-sync.h"

struct _BerthWorkers
{
  GThreadPool *threads;
};

typedef struct
{
  GTask *task;
  GTaskThreadFunc func;
} Job;

static void
job_run (gpointer data, gpointer user_data)
{
  g_autofree Job *job = data;
  g_autoptr (GTask) task = NULL;

  BERTH_SYNC_ACQUIRE (job);
  task = job->task;
  job->func (task, g_task_get_source_object (task), g_task_get_task_data (task),
             g_task_get_cancellable (task));
}

BerthWorkers *
berth_workers_new (guint threads)
{
  BerthWorkers *self = g_new0 (BerthWorkers, 1);

  /* exclusive: all threads are there from the start, so that their number never changes */
  self->threads = g_thread_pool_new (job_run, NULL, (int)threads, TRUE, NULL);
  return self;
}

void
berth_workers_free (BerthWorkers *self)
{
  g_thread_pool_free (self->threads, FALSE, TRUE);
  g_free (self);
}

void
berth_workers_run (BerthWorkers *self, GTask *task, GTaskThreadFunc func)
{
  Job *job = g_new0 (Job, 1);

  job->task = g_object_ref (task);
  job->func = func;
  BERTH_SYNC_RELEASE (job);
  g_thread_pool_push (self->threads, job, NULL);
}

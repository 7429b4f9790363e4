/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/host/fake-reach.h"

#include <unistd.h>

#include "tests/host/fake-link.h"

#define KEY "fake-reach"

/* Of a VM whose programs may reach something */
typedef struct
{
  BerthHostReach calls;
  gpointer data;
  GDestroyNotify destroy;
  char *rules;
} Reach;

static void
reach_free (gpointer data)
{
  Reach *self = data;

  if (self->destroy != NULL)
    self->destroy (self->data);
  g_free (self->rules);
  g_free (self);
}

static void
fake_allow (BerthHost *host, BerthVm *vm, const char *const *names, const BerthHostReach *reach,
            gpointer user_data, GDestroyNotify destroy, GTask *task)
{
  g_autoptr (GTask) owned = task;
  Reach *self = g_new0 (Reach, 1);

  self->calls = *reach;
  self->data = user_data;
  self->destroy = destroy;
  self->rules = g_strjoinv ("|", (char **)names);
  g_object_set_data_full (G_OBJECT (vm), KEY, self, reach_free);
  g_task_return_boolean (task, TRUE);
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  FakeLink *link = g_task_get_task_data (user_data);
  g_autoptr (GTask) task = g_steal_pointer (&link->task);

  if (task != NULL)
    g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
fake_accept (BerthHost *host, BerthHostLink *link, const BerthLinkEnd *end, GTask *task)
{
  FakeLink *self = (FakeLink *)link;
  g_autoptr (GSource) source = g_cancellable_source_new (g_task_get_cancellable (task));

  self->fd = end->fd;
  self->meter = end->meter != NULL ? berth_link_meter_ref (end->meter) : NULL;
  self->task = task;
  g_task_set_task_data (task, self, NULL);
  g_source_set_callback (source, G_SOURCE_FUNC (cancelled_cb), g_object_ref (task), g_object_unref);
  g_source_attach (source, NULL);
}

static void
fake_refuse (BerthHost *host, BerthHostLink *link, BerthLinkReason reason)
{
  FakeLink *self = (FakeLink *)link;

  self->is_refused = TRUE;
  self->reason = reason;
}

void
fake_reach_init (BerthHostInterface *iface)
{
  iface->link = fake_link;
  iface->allow = fake_allow;
  iface->accept = fake_accept;
  iface->refuse = fake_refuse;
}

FakeLink *
fake_reach_ask (BerthVm *vm, const char *name, guint16 port)
{
  Reach *reach = g_object_get_data (G_OBJECT (vm), KEY);
  FakeLink *link = g_new0 (FakeLink, 1);

  link->fd = -1;
  reach->calls.asked ((BerthHostLink *)link, name, port, reach->data);
  return link;
}

const char *
fake_reach_get_rules (BerthVm *vm)
{
  return ((const Reach *)g_object_get_data (G_OBJECT (vm), KEY))->rules;
}

void
fake_reach_refuse (BerthVm *vm, const char *name, guint16 port)
{
  Reach *reach = g_object_get_data (G_OBJECT (vm), KEY);

  reach->calls.refused (name, port, reach->data);
}

void
fake_reach_end (FakeLink *link, guint64 sent_bytes, guint64 received_bytes)
{
  g_autoptr (GTask) task = g_steal_pointer (&link->task);
  BerthLinkResult *result = g_new0 (BerthLinkResult, 1);

  result->was_connected = TRUE;
  result->sent_bytes = received_bytes; /* to the guest */
  result->received_bytes = sent_bytes;
  g_task_return_pointer (task, result, g_free);
}

void
fake_reach_free (FakeLink *link)
{
  g_assert_null (link->task);
  if (link->fd >= 0)
    close (link->fd);
  g_clear_pointer (&link->meter, berth_link_meter_unref);
  g_free (link);
}

void
fake_reach_forget (BerthVm *vm)
{
  g_object_set_data (G_OBJECT (vm), KEY, NULL);
}

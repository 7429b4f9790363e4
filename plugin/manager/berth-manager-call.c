/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/manager/berth-manager-call.h"

struct _BerthManagerCall
{
  GCancellable parent;
  BerthRequest *request; /* (nullable) (owned) */
};

G_DEFINE_FINAL_TYPE (BerthManagerCall, berth_manager_call, G_TYPE_CANCELLABLE)

static void
berth_manager_call_finalize (GObject *object)
{
  g_clear_pointer (&BERTH_MANAGER_CALL (object)->request, berth_request_unref);
  G_OBJECT_CLASS (berth_manager_call_parent_class)->finalize (object);
}

static void
berth_manager_call_class_init (BerthManagerCallClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_manager_call_finalize;
}

static void
berth_manager_call_init (BerthManagerCall *self)
{
}

BerthManagerCall *
berth_manager_call_new (void)
{
  return g_object_new (BERTH_TYPE_MANAGER_CALL, NULL);
}

void
berth_manager_call_set_request (BerthManagerCall *self, BerthRequest *request)
{
  g_clear_pointer (&self->request, berth_request_unref);
  if (request != NULL)
    self->request = berth_request_ref (request);
}

BerthRequest *
berth_manager_call_get_request (BerthManagerCall *self)
{
  return self->request;
}

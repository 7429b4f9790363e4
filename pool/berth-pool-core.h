/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The admission thread and the queue of messages in front of it: what is behind BerthPool. */
#pragma once

#include <gio/gio.h>

#include "berth-admission.h"

G_BEGIN_DECLS

/**
 * BerthPoolMessageType:
 * @BERTH_POOL_MESSAGE_ADMISSION: goes to the admission core as it is
 * @BERTH_POOL_MESSAGE_STATUS: `reply` gets the status, a #GVariant
 * @BERTH_POOL_MESSAGE_POSITION: `reply` gets where `request` waits, a #GVariant
 * @BERTH_POOL_MESSAGE_VMS: `reply` gets the VMs, a #GPtrArray
 * @BERTH_POOL_MESSAGE_QUIT: the thread ends
 */
typedef enum
{
  BERTH_POOL_MESSAGE_ADMISSION,
  BERTH_POOL_MESSAGE_STATUS,
  BERTH_POOL_MESSAGE_POSITION,
  BERTH_POOL_MESSAGE_VMS,
  BERTH_POOL_MESSAGE_QUIT,
} BerthPoolMessageType;

/**
 * BerthPoolMessage:
 * @type: what it is
 * @message: for the admission core; what it points to are the fields below
 * @task: (nullable): who is told how it ended
 * @cancelled_id: of the handler of the task's cancellable
 *
 * One message on its way to the admission thread, with everything that it needs to live that long.
 */
typedef struct
{
  BerthPoolMessageType type;
  BerthMessage message;
  GTask *task;
  gulong cancelled_id;
  BerthRequest *request;
  BerthVm *vm;
  GError *error;
  BerthCapacity capacity;
  BerthWarmTarget target;
  char *template_name;
  char *tenant_key;
  BerthTenantPolicy *policy;
  GAsyncQueue *reply;
} BerthPoolMessage;

/**
 * BerthPoolCore:
 *
 * It belongs to its thread and to the pool, so that dropping the pool's last reference on the
 * admission thread itself (inside a task that it completes) is safe. Atomically reference counted.
 */
typedef struct _BerthPoolCore BerthPoolCore;

/* What is told on the admission thread */
typedef struct
{
  void (*gone) (BerthVm *vm, gpointer user_data);
  void (*full) (gboolean is_full, gpointer user_data); /* from now on: berth_admission_is_full() */
} BerthPoolCoreCalls;

BerthPoolCore *berth_pool_core_new (BerthHypervisor *hypervisor, const BerthCapacity *capacity,
                                    const BerthPoolCoreCalls *calls, gpointer user_data,
                                    GDestroyNotify user_data_free);
BerthPoolCore *berth_pool_core_ref (BerthPoolCore *core);
void berth_pool_core_unref (BerthPoolCore *core);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthPoolCore, berth_pool_core_unref)

BerthPoolMessage *berth_pool_message_new (BerthMessageType type);
/* any thread; takes @message */
void berth_pool_core_push (BerthPoolCore *core, BerthPoolMessage *message);
guint64 berth_pool_core_next_ticket (BerthPoolCore *core);
/* main function of the thread; takes a reference to a BerthPoolCore; returns after QUIT */
gpointer berth_pool_core_run (gpointer core);

/* the source tag of the task that a message of @type carries: its operation */
#define BERTH_POOL_TAG(type) GUINT_TO_POINTER (type)

G_END_DECLS

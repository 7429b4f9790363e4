/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides every legal life of a VM, in one table, and lets any thread read where it stands. */
#include "berth-vm-private.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/random.h>

#define ID_BYTES BERTH_VM_ID_BYTES

/**
 * BerthVm:
 *
 * One VM, from the moment that its place was taken until nothing is left of it. Made and moved by
 * the admission thread alone; everyone else reads, from any thread, without a lock: identity and
 * shape never change, the state is one atomic word, and what is learnt later (whose it is, why it
 * ended) is published once and never replaced.
 *
 * A VM that was claimed is never warm again: the table has no edge back.
 */
struct _BerthVm
{
  GObject parent_instance;

  char id[2 * ID_BYTES + 1];
  BerthShape shape;
  char *tenant_key;
  gint64 created_us;

  gint state;          /* BerthVmState; atomic */
  gpointer request;    /* BerthRequest, owned; atomic, NULL until it is known */
  gint64 admitted_us;  /* written before request is published */
  gboolean was_warm;   /* likewise */
  gpointer end_reason; /* char *, owned; atomic, NULL until it is known */
};

G_DEFINE_FINAL_TYPE (BerthVm, berth_vm, G_TYPE_OBJECT)

/* 0 is "ignored", so that an edge which nobody wrote down does not exist */
#define TO(state) ((guint8)(BERTH_VM_STATE_##state + 1))

static const guint8 next_state[BERTH_VM_N_STATES][BERTH_VM_N_EVENTS] = {
  [BERTH_VM_STATE_STARTING] = {
    [BERTH_VM_EVENT_STARTED] = TO (CLAIMED),
    [BERTH_VM_EVENT_WARMED] = TO (WARM),
    [BERTH_VM_EVENT_FAILED] = TO (STOPPING),
    [BERTH_VM_EVENT_DESTROY] = TO (STOPPING),
    [BERTH_VM_EVENT_GONE] = TO (GONE),
  },
  [BERTH_VM_STATE_WARM] = {
    [BERTH_VM_EVENT_CLAIM] = TO (CLAIMED),
    [BERTH_VM_EVENT_FAILED] = TO (STOPPING),
    [BERTH_VM_EVENT_DESTROY] = TO (STOPPING),
    [BERTH_VM_EVENT_GONE] = TO (GONE),
  },
  [BERTH_VM_STATE_CLAIMED] = {
    [BERTH_VM_EVENT_PAUSE] = TO (PAUSING),
    [BERTH_VM_EVENT_SUSPENDED] = TO (PAUSED),
    [BERTH_VM_EVENT_FAILED] = TO (STOPPING),
    [BERTH_VM_EVENT_DESTROY] = TO (STOPPING),
    [BERTH_VM_EVENT_GONE] = TO (GONE),
  },
  [BERTH_VM_STATE_PAUSING] = {
    [BERTH_VM_EVENT_SUSPENDED] = TO (PAUSED),
    [BERTH_VM_EVENT_RESUMED] = TO (CLAIMED),
    [BERTH_VM_EVENT_DESTROY] = TO (STOPPING),
    [BERTH_VM_EVENT_GONE] = TO (GONE),
  },
  [BERTH_VM_STATE_PAUSED] = {
    [BERTH_VM_EVENT_WAKE] = TO (WAKING),
    [BERTH_VM_EVENT_RESUMED] = TO (CLAIMED),
    [BERTH_VM_EVENT_DESTROY] = TO (STOPPING),
    [BERTH_VM_EVENT_GONE] = TO (GONE),
  },
  [BERTH_VM_STATE_WAKING] = {
    [BERTH_VM_EVENT_SUSPENDED] = TO (PAUSED),
    [BERTH_VM_EVENT_RESUMED] = TO (CLAIMED),
    [BERTH_VM_EVENT_DESTROY] = TO (STOPPING),
    [BERTH_VM_EVENT_GONE] = TO (GONE),
  },
  [BERTH_VM_STATE_STOPPING] = {
    [BERTH_VM_EVENT_STUCK] = TO (STUCK),
    [BERTH_VM_EVENT_GONE] = TO (GONE),
  },
  [BERTH_VM_STATE_STUCK] = {
    [BERTH_VM_EVENT_DESTROY] = TO (STOPPING),
    [BERTH_VM_EVENT_GONE] = TO (GONE),
  },
  [BERTH_VM_STATE_GONE] = { 0 },
};

static const char *const state_names[]
    = { "starting", "warm", "claimed", "pausing", "paused", "waking", "stopping", "stuck", "gone" };
static const char *const event_names[]
    = { "started", "warmed", "claim",   "pause", "suspended", "wake",
        "resumed", "failed", "destroy", "stuck", "gone" };

G_STATIC_ASSERT (G_N_ELEMENTS (state_names) == BERTH_VM_N_STATES);
G_STATIC_ASSERT (G_N_ELEMENTS (event_names) == BERTH_VM_N_EVENTS);

gboolean
berth_vm_next_state (BerthVmState state, BerthVmEvent event, BerthVmState *out_next)
{
  guint8 cell = 0;

  g_assert ((guint)state < BERTH_VM_N_STATES && (guint)event < BERTH_VM_N_EVENTS);

  cell = next_state[state][event];
  if (cell == 0)
    return FALSE;
  *out_next = (BerthVmState)(cell - 1);
  return TRUE;
}

const char *
berth_vm_event_to_string (BerthVmEvent event)
{
  g_return_val_if_fail ((guint)event < BERTH_VM_N_EVENTS, NULL);
  return event_names[event];
}

/**
 * berth_vm_state_to_string:
 * @state: a state
 *
 * Returns: (transfer none): its name in lower case, as users see it
 */
const char *
berth_vm_state_to_string (BerthVmState state)
{
  g_return_val_if_fail ((guint)state < BERTH_VM_N_STATES, NULL);
  return state_names[state];
}

gboolean
berth_vm_fire (BerthVm *self, BerthVmEvent event)
{
  BerthVmState next = BERTH_VM_STATE_GONE;

  if (!berth_vm_next_state (berth_vm_get_state (self), event, &next))
    return FALSE;
  g_atomic_int_set (&self->state, (gint)next);
  return TRUE;
}

static void
berth_vm_finalize (GObject *object)
{
  BerthVm *self = BERTH_VM (object);

  berth_shape_clear (&self->shape);
  g_free (self->tenant_key);
  g_clear_pointer ((BerthRequest **)&self->request, berth_request_unref);
  g_free (self->end_reason);
  G_OBJECT_CLASS (berth_vm_parent_class)->finalize (object);
}

static void
berth_vm_class_init (BerthVmClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_vm_finalize;
}

static void
berth_vm_init (BerthVm *self)
{
  self->state = BERTH_VM_STATE_STARTING;
}

/* an id names a sandbox to its owner, so nobody may guess the next one: the kernel's generator, and
 * GLib's only where that is not there (never on Linux 3.17 and later) */
static void
fill_random (gpointer bytes, gsize size)
{
  if (getrandom (bytes, size, 0) == (gssize)size)
    return;
  for (gsize i = 0; i < size; i++)
    ((guint8 *)bytes)[i] = (guint8)g_random_int ();
}

static void
fill_id (char *id, const guint8 *bytes)
{
  static const char digits[] = "0123456789abcdef";

  for (guint i = 0; i < ID_BYTES; i++)
    {
      id[2 * i] = digits[bytes[i] >> 4];
      id[2 * i + 1] = digits[bytes[i] & 15];
    }
  id[2 * ID_BYTES] = '\0';
}

static BerthVm *
vm_make (const BerthShape *shape, const char *tenant_key, gint64 created_us)
{
  BerthVm *self = g_object_new (BERTH_TYPE_VM, NULL);

  self->shape = berth_shape_copy (shape);
  self->tenant_key = g_strdup (tenant_key);
  self->created_us = created_us;
  return self;
}

/**
 * berth_vm_new_adopted:
 * @id: of an earlier life of berthd
 * @shape: what it is like
 * @tenant_key: (nullable): of the one tenant that it may serve
 * @created_us: monotonic, may lie before this process began
 *
 * Returns: (transfer full): a VM that exists already, for berth_pool_adopt()
 */
BerthVm *
berth_vm_new_adopted (const char *id, const BerthShape *shape, const char *tenant_key,
                      gint64 created_us)
{
  BerthVm *self = vm_make (shape, tenant_key, created_us);

  berth_vm_set_id (self, id);
  return self;
}

void
berth_vm_set_id (BerthVm *self, const char *id)
{
  g_strlcpy (self->id, id, sizeof self->id);
}

BerthVm *
berth_vm_new (const BerthShape *shape, const char *tenant_key, gint64 now_us)
{
  BerthVm *self = vm_make (shape, tenant_key, now_us);
  guint8 bytes[ID_BYTES];

  fill_random (bytes, sizeof bytes);
  fill_id (self->id, bytes);
  return self;
}

BerthVm *
berth_vm_new_with_ids (BerthVmIds *ids, const BerthShape *shape, const char *tenant_key,
                       gint64 now_us)
{
  BerthVm *self = vm_make (shape, tenant_key, now_us);

  if (ids->left == 0)
    {
      fill_random (ids->bytes, sizeof ids->bytes);
      ids->left = BERTH_VM_IDS;
    }
  fill_id (self->id, ids->bytes[--ids->left]);
  return self;
}

void
berth_vm_set_request (BerthVm *self, BerthRequest *request, gint64 admitted_us, gboolean was_warm)
{
  g_assert (g_atomic_pointer_get (&self->request) == NULL);

  self->admitted_us = admitted_us;
  self->was_warm = was_warm;
  g_atomic_pointer_set (&self->request, berth_request_ref (request));
}

void
berth_vm_set_end_reason (BerthVm *self, const char *reason)
{
  g_autofree char *copy = g_strdup (reason);

  if (g_atomic_pointer_compare_and_exchange (&self->end_reason, NULL, copy))
    g_steal_pointer (&copy);
}

/**
 * berth_vm_get_id:
 * @self: a #BerthVm
 *
 * Returns: (transfer none): 32 random hexadecimal digits, its name for ever
 */
const char *
berth_vm_get_id (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), NULL);
  return self->id;
}

/**
 * berth_vm_get_shape:
 * @self: a #BerthVm
 *
 * Returns: (transfer none): what a request must be like for it to serve that
 */
const BerthShape *
berth_vm_get_shape (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), NULL);
  return &self->shape;
}

/**
 * berth_vm_get_template:
 * @self: a #BerthVm
 *
 * Returns: (transfer none): the name of its template
 */
const char *
berth_vm_get_template (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), NULL);
  return self->shape.template_name;
}

/**
 * berth_vm_get_tenant_key:
 * @self: a #BerthVm
 *
 * Returns: (transfer none) (nullable): of the one tenant that it may serve, "1000:acme"; %NULL
 *   where it may serve anybody, or was made for a request
 */
const char *
berth_vm_get_tenant_key (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), NULL);
  return self->tenant_key;
}

/**
 * berth_vm_get_memory_mb:
 * @self: a #BerthVm
 *
 * Returns: the guest's memory in MiB
 */
guint
berth_vm_get_memory_mb (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), 0);
  return self->shape.memory_mb;
}

/**
 * berth_vm_get_vcpus:
 * @self: a #BerthVm
 *
 * Returns: the number of its virtual CPUs
 */
guint
berth_vm_get_vcpus (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), 0);
  return self->shape.vcpus;
}

/**
 * berth_vm_get_created_us:
 * @self: a #BerthVm
 *
 * Returns: when its place was taken: microseconds of the monotonic clock
 */
gint64
berth_vm_get_created_us (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), 0);
  return self->created_us;
}

/**
 * berth_vm_get_admitted_us:
 * @self: a #BerthVm
 *
 * Returns: when its request's wait for a place ended: microseconds of the monotonic clock; 0 while
 *   it is nobody's
 */
gint64
berth_vm_get_admitted_us (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), 0);
  return g_atomic_pointer_get (&self->request) != NULL ? self->admitted_us : 0;
}

/**
 * berth_vm_was_warm:
 * @self: a #BerthVm
 *
 * Returns: %TRUE if its request was served by a VM that stood by warm
 */
gboolean
berth_vm_was_warm (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), FALSE);
  return g_atomic_pointer_get (&self->request) != NULL && self->was_warm;
}

/**
 * berth_vm_get_state:
 * @self: a #BerthVm
 *
 * Returns: its state as of now
 */
BerthVmState
berth_vm_get_state (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), BERTH_VM_STATE_GONE);
  return (BerthVmState)g_atomic_int_get (&self->state);
}

/**
 * berth_vm_holds_slot:
 * @self: a #BerthVm
 *
 * Returns: %TRUE until nothing is left of it
 */
gboolean
berth_vm_holds_slot (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), FALSE);
  return berth_vm_get_state (self) != BERTH_VM_STATE_GONE;
}

/**
 * berth_vm_dup_request:
 * @self: a #BerthVm
 *
 * Returns: (transfer full) (nullable): the request that it serves; %NULL while it is nobody's
 */
BerthRequest *
berth_vm_dup_request (BerthVm *self)
{
  BerthRequest *request = NULL;

  g_return_val_if_fail (BERTH_IS_VM (self), NULL);
  request = g_atomic_pointer_get (&self->request);
  return request != NULL ? berth_request_ref (request) : NULL;
}

/**
 * berth_vm_dup_end_reason:
 * @self: a #BerthVm
 *
 * Returns: (transfer full) (nullable): why it ended without being asked to
 */
char *
berth_vm_dup_end_reason (BerthVm *self)
{
  g_return_val_if_fail (BERTH_IS_VM (self), NULL);
  return g_strdup (g_atomic_pointer_get (&self->end_reason));
}
